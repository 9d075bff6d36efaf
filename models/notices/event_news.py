"""The news in events: a kind for each type of event that people may want to be told, with its words."""

from certline.models.notices.kind import Facts, NewsKind, Severity

COMMAND = ("certline command show {command_id}",)


def _of_expiry(facts: Facts) -> Severity:
    """Return the severity of an expiry: none to worry about while certline is renewing the certificate."""
    if facts.get("renewal") in ("planned", "open"):
        return Severity.INFO
    return Severity.CRITICAL if facts.get("days", 0) <= 7 else Severity.WARNING


def _of_validation(facts: Facts) -> Severity:
    """Return the severity of a validation's end: none to worry about while it is renewed, or nothing needs it."""
    if facts.get("renewal") in ("planned", "open") or not facts.get("certificates", 1):
        return Severity.INFO
    return Severity.CRITICAL if facts.get("days", 0) <= 7 else Severity.WARNING


def _of_failure(facts: Facts) -> Severity:
    """Return the severity of a command that has failed: a person decides about one in review."""
    return Severity.CRITICAL if facts.get("status") == "review" else Severity.WARNING


def _of_recovery(facts: Facts) -> Severity:
    """Return the severity of the end of a recovery: a person acts if keys are lost or orders are in review."""
    return Severity.WARNING if facts.get("keys_lost") or facts.get("to_decide") else Severity.INFO


INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL
ORDER = ("certline order show {order_id}",)
CERTIFICATE = ("certline certificate show {certificate_id}",)
DELETED = ("certline audit list --subject {certificate_id}",)


def _of_order(
    severity: Severity,
    words: str,
    happened: str,
    meaning: str,
    *commands: str,
    status: str,
) -> NewsKind:
    """Return a kind of news about an order. `words`: such as "in review"; `status`: filter of the order list."""
    return NewsKind(
        severity,
        f"order {words}: {{common_name}}",
        f"orders {words}",
        happened,
        meaning,
        commands=(*ORDER, *commands),
        overview=("certline order list --status " + status,),
    )


def _of_certificate(severity: Severity, words: str, meaning: str) -> NewsKind:
    """Return a kind of news about a certificate. `words`: such as "renewed"."""
    return NewsKind(
        severity,
        f"certificate {words}: {{common_name}}",
        f"certificates {words}",
        f"The certificate of {{common_name}} (serial number {{serial_number}}) was {words}.",
        meaning,
        commands=DELETED if words == "deleted" else CERTIFICATE,
        overview=("certline certificate list",),
    )


OF_EVENTS: dict[str, NewsKind] = {
    "order.placed": _of_order(
        INFO,
        "placed",
        "An order for {common_name} was placed.",
        "It is sent to SCM next.",
        status="placed",
    ),
    "order.pending": _of_order(
        INFO,
        "accepted by SCM",
        "SCM has accepted the order for {common_name}.",
        "certline asks SCM until it is issued; SCM may wait for an approval or a validation there.",
        status="pending",
    ),
    "order.issued": _of_order(
        INFO,
        "issued",
        "SCM has issued the certificate of {common_name}.",
        "certline fetches and stores it next.",
        status="issued",
    ),
    "order.held": _of_order(
        WARNING,
        "held",
        "The order for {common_name} is issued, but held: {reason}.",
        "No licence is free. It goes on by itself once one is: raise the licence, or delete lines.",
        "certline license show",
        status="held",
    ),
    "order.rejected": _of_order(
        WARNING,
        "rejected",
        "SCM has refused the order for {common_name}: {reason}.",
        "There will be no certificate from it. Once the reason is gone, order again.",
        status="rejected",
    ),
    "order.cancelled": _of_order(
        INFO,
        "cancelled",
        "The order for {common_name} was cancelled: {reason}.",
        "There will be no certificate from it.",
        status="cancelled",
    ),
    "order.review": _of_order(
        CRITICAL,
        "in review",
        "The outcome of the order for {common_name} is unclear: {reason}.",
        "SCM may have it or not, and a second one would cost money: nothing goes on until a person decides.",
        "certline order resolve {order_id} --adopt SSLID",
        "certline order resolve {order_id} --resend",
        "certline order resolve {order_id} --reject",
        status="review",
    ),
    "order.deleted": NewsKind(
        INFO,
        "order deleted: {common_name}",
        "orders deleted",
        "The order for {common_name} was deleted from certline, with its key.",
        "Nothing has changed at SCM.",
        commands=("certline audit list --subject {order_id}",),
        overview=("certline audit list",),
    ),
    "certificate.stored": _of_certificate(INFO, "stored", "It can be exported and deployed."),
    "certificate.renewed": _of_certificate(INFO, "renewed", "It supersedes the one before it."),
    "certificate.reissued": _of_certificate(INFO, "reissued", "It supersedes the one before it."),
    "certificate.revoked": _of_certificate(
        WARNING, "revoked", "Nobody should use it any more; browsers and clients refuse it."
    ),
    "certificate.deleted": _of_certificate(
        INFO, "deleted", "Its key is gone from certline. Nothing has changed at SCM."
    ),
    "certificate.expiring": NewsKind(
        WARNING,
        "certificate expires in {days_left} days: {common_name}",
        "certificates expire soon",
        "The certificate of {common_name} expires at {not_after}. Its renewal: {renewal}. {reason}",
        "`planned` and `open` need nobody; with `waits_for_person` and `nothing` it ends unless somebody acts.",
        commands=(*CERTIFICATE, "certline certificate renew {certificate_id}"),
        overview=("certline certificate list --expires-within 30", "certline auto-renew plan"),
        graver=_of_expiry,
    ),
    "license.exhausted": NewsKind(
        CRITICAL,
        "licence exhausted: {used} of {capacity} lines in use",
        "times the licence was exhausted",
        "{used} of {capacity} lines are in use, and {held} issued orders are held.",
        "Certificates of new lines are held until a line is free; renewals and reissues go on.",
        about="capacity",
        commands=("certline license show", "certline order list --status held"),
        overview=("certline license show",),
    ),
    "license.released": NewsKind(
        INFO,
        "licences are free again",
        "times licences were released",
        "Held orders go on: {reason}.",
        "Nothing is to be done.",
        about="reason",
        commands=("certline license show",),
        overview=("certline license show",),
    ),
    "license.expiring": NewsKind(
        WARNING,
        "licence ends in {days_left} days",
        "times the end of the licence came nearer",
        "The licence for {capacity} lines ends after {valid_until}; {used} are in use.",
        "After that new lines are held; renewals, reissues and everything else go on.",
        about="valid_until",
        commands=("certline license show", "certline license set {capacity} --until DATE"),
        overview=("certline license show",),
    ),
    "domain.validated": NewsKind(
        INFO,
        "domain validated: {domain}",
        "domains validated",
        "{domain} is validated at SCM until {expires}.",
        "Nothing is to be done.",
        about="domain",
        commands=("certline domain list --name {domain}",),
        overview=("certline domain list",),
    ),
    "domain.validation_failed": NewsKind(
        CRITICAL,
        "validation failed: {domain}",
        "validations failed",
        "The validation of {domain} has failed: {reason}.",
        "Its present validation ends on {expires}. After that SCM refuses orders and renewals of all names below "
        "the domain.",
        about="domain",
        commands=("certline domain list --name {domain}", "certline domain validate {domain}"),
        overview=("certline domain list --status expired",),
    ),
    "domain.validation_waiting": NewsKind(
        WARNING,
        "record to be made: {record}",
        "records to be made",
        "To validate {domain}, make {record} ({method}) with the value {value}.",
        "certline sees it by itself, and goes on.",
        about="domain",
        commands=("certline domain list --name {domain}",),
        overview=("certline domain list",),
    ),
    "domain.validation_expiring": NewsKind(
        WARNING,
        "validation ends in {days_left} days: {domain}",
        "validations end soon",
        "The validation of {domain} can be used until {last_day}; {certificates} active certificates have names "
        "below the domain. Its renewal: {renewal}.",
        "`planned` and `open` need nobody; with `nothing` SCM refuses orders and renewals of these names after "
        "that day, unless somebody validates the domain.",
        about="domain",
        commands=("certline domain show {domain}", "certline domain validate {domain}"),
        overview=("certline domain forecast",),
        graver=_of_validation,
    ),
    "account.suspended": NewsKind(
        CRITICAL,
        "account suspended: {account}",
        "accounts suspended",
        "SCM refuses the login of the account {account}: {reason}.",
        "certline makes no call with it, since SCM locks logins that fail again and again. Orders, polls and "
        "renewals of this account wait, and go on once the login works.",
        about="account",
        commands=(
            "certline account show {account}",
            "certline account verify {account} --new-password",
        ),
        overview=("certline account list",),
    ),
    "sync.completed": NewsKind(
        INFO,
        "synced: {account}",
        "syncs completed",
        "Organisations, domains or profiles of {account} were read from SCM.",
        "Nothing is to be done.",
        about="account",
        commands=("certline domain list", "certline profile list"),
        overview=("certline account list",),
    ),
    "import.completed": NewsKind(
        INFO,
        "import completed",
        "imports completed",
        "An import from SCM has ended.",
        "What it found and stored is in its result.",
        about="account",
        commands=("certline command list --type import",),
        overview=("certline command list --type import",),
    ),
    "auto_renew.completed": NewsKind(
        INFO,
        "auto-renewal: {renewed} renewed, {held} held, {refused} refused",
        "runs of auto-renewal",
        "{due} certificates were due: {renewed} renewals requested, {skipped} under way already, {held} "
        "postponed, {refused} refused, {failed} failed.",
        "What was postponed is renewed by a later run; what was refused needs a person.",
        about="started_at",
        commands=("certline auto-renew audit",),
        overview=("certline auto-renew audit",),
    ),
    "command.rejected": NewsKind(
        WARNING,
        "command rejected, of {sender}",
        "commands rejected",
        "A message of {sender} was not accepted: {problems}.",
        "Nothing was done. The sender was told; the message is kept.",
        about="sender",
        commands=("certline dead-letter show {dead_letter}",),
        overview=("certline dead-letter list",),
    ),
    "command.failed": NewsKind(
        WARNING,
        "command failed: {type}",
        "commands failed",
        "The command {type} ({command_id}) could not be carried out: {error}.",
        "It is not tried again by itself.",
        about="type",
        commands=(*COMMAND, "certline command retry {command_id}"),
        overview=(
            "certline command list --status failed",
            "certline command list --status review",
        ),
        graver=_of_failure,
    ),
    "recovery.started": NewsKind(
        CRITICAL,
        "the database was restored",
        "times the database was restored",
        "The database was restored, or another server took over: {reason}.",
        "Nothing is ordered, renewed or reissued until SCM has been compared with it; then all goes on by itself.",
        about="reason",
        commands=("certline recover --status", "certline recover --dry-run"),
        overview=("certline recover --status",),
    ),
    "recovery.ended": NewsKind(
        INFO,
        "the recovery after a restore has ended: {keys_lost} keys lost, {to_decide} orders to decide",
        "recoveries have ended",
        "SCM has been compared with the restored database: {orders_found} orders were found there, {keys_lost} "
        "certificates have lost their key, {to_decide} orders are in review.",
        "Orders go on. Certificates without a key need a reissue; orders in review need a decision.",
        about="keys_lost",
        commands=(
            "certline recover --status",
            "certline certificate list --key-lost",
            "certline order list --status review",
        ),
        overview=("certline recover --status",),
        graver=_of_recovery,
    ),
}
