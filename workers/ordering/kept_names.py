"""Names of a certificate that its successor may lose: IP addresses, mail addresses, URIs.

SCM's documentation names only host names, for orders (`subjAltNames`) and for reissues; it doesn't say what a
renewal makes of others in SCM's own record (SCM document: enrol, renew, replace).
"""

from certline.models import Certificate
from certline.models.commands.payloads import ReissueCommand, RenewCommand
from certline.models.validation import BadCommandError


def require_known_loss(asked: RenewCommand | ReissueCommand, predecessor: Certificate) -> list[str]:
    """Return a warning if the successor may lack names of the certificate and the command accepts that.

    Raises BadCommandError if the command doesn't: then nobody may have noticed that there are such names.
    """
    names = predecessor.other_names
    if not names:
        return []
    has = f"{predecessor.common_name} also has {', '.join(names)}"
    # Whoever lists the further names of a reissue has said what the new certificate is to have.
    listed = isinstance(asked, ReissueCommand) and asked.sans is not None
    if asked.without_other_names or listed:
        return [f"{has}: the new certificate may lack that, since certline orders DNS names only"]
    raise BadCommandError(
        [
            (
                f"certificate: {has}; SCM documents DNS names only, so the new certificate may lack that. "
                "To go on nevertheless: --without-other-names (in a message: without_other_names); "
                "otherwise have it replaced in SCM's portal, and run `certline import`"
            )
        ]
    )
