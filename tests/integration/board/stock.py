"""Rows of each kind that the board shows, with names that are hard to show and values that must not be shown."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from certline.models import (
    AutoRenewDecision,
    AutoRenewRule,
    AutoRenewRun,
    AutoRenewSetting,
    Breaker,
    CommandStatus,
    CommandType,
    DeadLetter,
    Hook,
    RenewalBatch,
    RenewalMember,
    Validation,
    Webhook,
)
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.states import (
    Decision,
    DecisionCode,
    ValidationMethod,
    ValidationOutcome,
    ValidationStage,
)
from tests.support.factories import (
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

IDA = Identity("os:ida")
MARKUP = "<script>alert('x')</script><b>&amp;\"'"
RIGHT_TO_LEFT = "\u202ekcehc\u202c \u05d0\u05d1\u05d2"
LONG = "n" * 1000
HOSTILE = (MARKUP, RIGHT_TO_LEFT, LONG)
# Values that are in no page, whoever looks.
SECRETS = {
    "sealed password": "c2VhbGVkLXBhc3N3b3Jk",
    "output of a program": "the-output-says-4711",
    "token of a webhook": "T00-B00-XXXXXXXX",
    "login of a webhook": "anna:geheim",
    "secret of a webhook": "whsec-sealed",
    "body of a dead letter": "body-with-a-password",
    "secret of an account": "account-secret",
}
DAY = timedelta(days=1)


def stock(db: Session) -> dict[str, Any]:
    """Insert rows of each kind. Returns ids by noun, for the pages of one thing."""
    account = an_account(
        db,
        name="hafen",
        url="https://scm.hafen.example/api",
        secret_sealed=SECRETS["secret of an account"].encode(),
        verified_at=clock(db),
        synced_at=clock(db),
        examined={
            "roles": ["RAO_SSL"],
            "privileges": ["sslRequest", "sslRenew"],
            "missing": [f"it may not approve {MARKUP}"],
            "unknown": ["SCM doesn't show its domains"],
        },
    )
    an_account(db, name=MARKUP, status="suspended", status_reason=f"refused {RIGHT_TO_LEFT}")
    db.add(Breaker(url=account.url, failures=5, open_until=clock(db, DAY), reason=f"503 {MARKUP}"))
    for number, name in enumerate(("Nordhafen AG", *HOSTILE), start=7):
        db.add_all(
            [
                an_organization(account_id=account.id, scm_id=number, name=name),
                a_domain(
                    account_id=account.id,
                    scm_id=number,
                    name=f"d{number}.example" if number == 7 else name,
                    delegations=[
                        {
                            "org_id": 7,
                            "cert_types": ["SSL"],
                            "status": name,
                            "privileges": ["DOMAIN"],
                        }
                    ],
                ),
                a_profile(account_id=account.id, scm_id=number, name=name, description=name),
            ]
        )
    _validations(db, account.id)
    db.add(
        an_organization(
            account_id=account.id, scm_id=70, name="Labor", parent_id=7, parent_name="Nordhafen AG"
        )
    )
    order = an_order(
        db, account, status="stored", common_name="www.d7.example", organization_id=7, profile_id=7
    )
    certificate = a_certificate(
        db, order, common_name=order.common_name, not_after=clock(db, 20 * DAY)
    )
    found = {
        "account": account.name,
        "account_id": account.id,
        "certificate": certificate.id,
        "order": order.id,
    }
    found |= _commands(db, certificate.id)
    found |= _renewals(db, account.id, certificate)
    db.add(
        DeadLetter(
            id="01LETTER000000000000000001",
            source=f"queue {MARKUP}",
            sender="shop",
            reason=f"not JSON {RIGHT_TO_LEFT} {LONG}",
            properties={"exchange": "certline", "routing_key": MARKUP},
            body_sealed=SECRETS["body of a dead letter"].encode(),
            sha256="ab" * 32,
            message_id="m-1",
            attempts=2,
        )
    )
    record(
        db,
        "test.hostile",
        MARKUP,
        who=Identity(f"os:{RIGHT_TO_LEFT}", MARKUP),
        why=LONG,
        note=MARKUP,
    )
    return found | {"letter": "01LETTER000000000000000001"}


def _validations(db: Session, account_id: int) -> None:
    """Insert validations: one that waits for a person, one under way, and one that has failed."""
    for domain, stage, by_hand in (
        ("d7.example", ValidationStage.LOOK, True),
        (MARKUP, ValidationStage.PUBLISH, False),
        ("d7.example", ValidationStage.ENDED, False),
    ):
        command, _ = accept(
            db, CommandType.VALIDATE, {"domain": domain}, requested_by=IDA, source="cli"
        )
        command.status = CommandStatus.RUNNING
        row = Validation(
            account_id=account_id,
            domain=domain,
            method=ValidationMethod.CNAME,
            dns=None if by_hand else MARKUP,
            stage=stage,
            proof_name=f"_{RIGHT_TO_LEFT}.d7.example",
            proof_value=MARKUP,
            proof_at=MARKUP,
            said=LONG,
            command_id=command.id,
            requested_by=MARKUP,
            begun_at=clock(db, -DAY if stage is ValidationStage.ENDED else timedelta(0)),
        )
        if by_hand:
            row.published_at = row.withdrawn_at = clock(db)
        if stage is ValidationStage.ENDED:
            row.outcome, row.error = ValidationOutcome.FAILED, f"refused {MARKUP} {LONG}"
        db.add(row)


def _commands(db: Session, certificate: str) -> dict[str, Any]:
    def accepted(kind: CommandType, payload: dict[str, Any], subject: str | None = None) -> Any:
        return accept(db, kind, payload, requested_by=IDA, source="cli", subject=subject)[0]

    order = accepted(
        CommandType.ORDER,
        {
            "common_name": MARKUP,
            "comments": RIGHT_TO_LEFT,
            "organization": LONG,
            "keystore_password_sealed": SECRETS["sealed password"],
        },
    )
    order.status, order.error, order.attempts = CommandStatus.FAILED, f"refused {MARKUP}", 3
    hook = Hook(
        name="reload-web",
        events=["certificate.stored"],
        command=f"/usr/local/bin/reload '{MARKUP}'",
        directory="/etc/tls",
        timeout=60,
        common_name="*.d7.example",
        created_by="os:ida",
    )
    webhook = Webhook(
        url=f"https://{SECRETS['login of a webhook']}@hooks.example/services/{SECRETS['token of a webhook']}",
        events=["certificate.*"],
        secret_sealed=SECRETS["secret of a webhook"].encode(),
        status="disabled",
        status_reason=f"410 {MARKUP}",
        failures=3,
        created_by="os:ida",
    )
    db.add_all([hook, webhook])
    db.flush()
    run = accepted(
        CommandType.HOOK,
        {"hook": hook.id, "name": hook.name, "certificate": certificate, "common_name": LONG},
        certificate,
    )
    run.status, run.attempts, run.error = CommandStatus.FAILED, 2, f"exit code 3 {MARKUP}"
    run.result = {
        "outcome": "failed",
        "exit_code": 3,
        "output": SECRETS["output of a program"],
        "said": f"failed: {MARKUP}",
    }
    event = {"id": "E-1", "type": "certificate.stored", "subject": MARKUP, "data": {"a": 1}}
    delivery = accepted(CommandType.WEBHOOK, {"webhook": webhook.id, "event": event}, webhook.id)
    delivery.status, delivery.attempts, delivery.error = CommandStatus.REVIEW, 9, f"500 {MARKUP}"
    return {
        "command": order.id,
        "hook": hook.name,
        "run": run.id,
        "webhook": webhook.id,
        "delivery": delivery.id,
    }


def _renewals(db: Session, account_id: int, certificate: Any) -> dict[str, Any]:
    db.add_all(
        [
            AutoRenewSetting(account_id=account_id, enabled=True, days=30, changed_by="os:ida"),
            AutoRenewRule(account_id=account_id, name="*.d7.example", created_by=MARKUP),
        ]
    )
    run = AutoRenewRun(
        requested_by="certline:schedule",
        looked_at=4711,
        ended_at=clock(db),
        started_at=clock(db, -DAY),
    )
    db.add(run)
    db.flush()
    db.add_all(
        [
            AutoRenewDecision(
                run_id=run.id,
                certificate_id=certificate.id,
                common_name="www.d7.example",
                not_after=certificate.not_after,
                decision=decision,
                code=DecisionCode.DUE,
                reason=reason,
                selected_by="os:ida",
            )
            for decision, reason in ((Decision.REFUSED, f"closed {MARKUP}"),)
        ]
    )
    batch = RenewalBatch(
        selection=f"all of {MARKUP}", per_hour=500, requested_by="os:ida", reuse_key=False
    )
    db.add(batch)
    db.flush()
    db.add_all(
        [
            RenewalMember(
                batch_id=batch.id,
                position=0,
                certificate_id=certificate.id,
                line_id=certificate.line_id,
                common_name="www.d7.example",
            ),
            RenewalMember(
                batch_id=batch.id,
                position=1,
                certificate_id="GONE",
                line_id="GONE",
                common_name="gone.d7.example",
                status="refused",
                reason=f"deleted {MARKUP}",
            ),
        ]
    )
    return {"auto_renew_run": run.id, "batch": batch.id}
