"""Call that fetches SCM's certificate report, which has more about each certificate than the list."""

from certline.workers.scm.answers import ReportRow
from certline.workers.scm.api import parser
from certline.workers.scm.inputs import ReportQuery
from certline.workers.scm.transport.caller import Caller, ScmCall


class Reports(Caller):
    """Method that reads SCM's certificate report, used to reconcile."""

    def ssl_report(self, query: ReportQuery) -> list[ReportRow]:
        """Return all rows of the report at once, with comments and names; it may take minutes. Read-only."""
        asked: dict[str, object] = {
            "from": query.start and query.start.isoformat(),
            "to": query.end and query.end.isoformat(),
            "certificateDateAttribute": query.about and int(query.about),
            "organizationIds": list(query.organization_ids) or None,
            "commonName": query.common_name,
            "externalRequester": query.external_requester,
            "certificateRequestSource": query.source and int(query.source),
        }
        body = {name: value for name, value in asked.items() if value is not None}
        body["certificateStatus"] = int(query.status)
        call = ScmCall(
            "ssl_report",
            "POST",
            "/report/v1/ssl-certificates",
            {"output_type": "buffered"},
            body,
            is_report=True,
        )
        return self._one(call, parser.report)
