"""SCM's reports: one call that says more of each certificate than the list does."""

from certline.workers.scm.answers import ReportRow
from certline.workers.scm.api import parser
from certline.workers.scm.inputs import ReportQuery
from certline.workers.scm.transport.caller import Call, Caller


class Reports(Caller):
    """For reconciling."""

    def ssl_report(self, query: ReportQuery) -> list[ReportRow]:
        """All rows at once, with comments and names; it may take minutes. It changes nothing."""
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
        call = Call(
            "ssl_report",
            "POST",
            "/report/v1/ssl-certificates",
            {"output_type": "buffered"},
            body,
            is_report=True,
        )
        return self._one(call, parser.report)
