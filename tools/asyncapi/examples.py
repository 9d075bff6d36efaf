"""Examples of every command and event, used in the AsyncAPI document and in tests."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from certline.models.events.envelope import EVENT_DATA, SOURCE, schema_of

MEDIA_TYPE = "application/cloudevents+json"

SHOP = "//shop.example/orders"
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
# A fixed namespace: the examples' ids stay the same each time the document is generated.
IDS = UUID("6b8c1f60-6a2f-4c0e-9f5b-2f1f0f6f4a11")
COMMAND = "0a4f3c5e-6f1b-4f2e-9d0c-7a1b5c8d2e90"

ORDER_ID, CERTIFICATE_ID, LINE_ID = (
    "01KJQ8Z3V5T0M4H9C2E7R1W6XA",
    "01KJQ90B7D2F4G6H8J0K2M4N6P",
    "01KJQ90B7EXT3Z9Q5S7V1W3Y5A",
)
OLDER_ID = "01JH2M4N6P8R0T2V4X6Z8B0D2F"
SERIAL = "00d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60"
FINGERPRINT = "9f2c" * 16
NAMES: dict[str, Any] = {
    "common_name": "www.nordhafen.example",
    "sans": ["nordhafen.example"],
}

_VALIDATION: dict[str, Any] = {
    "domain": "nordhafen.example",
    "account": "nordhafen",
    "method": "cname",
    "validation_id": "01KJQB2D4F6H8K0N2Q4S6U8W0Y",
}

# Complete payloads; together the examples of a command show its optional fields.
COMMANDS: dict[str, list[dict[str, Any]]] = {
    "sync": [{}, {"account": "nordhafen", "resources": ["organizations", "domains"]}],
    "order": [
        {
            "common_name": "www.nordhafen.example",
            "organization": "Nordhafen University",
            "profile": "OV Multi-Domain SSL",
            "term": 90,
        },
        NAMES
        | {
            "account": "nordhafen",
            "organization": 9102,
            "profile": 51,
            "term": 199,
            "key_algorithm": "EC",
            "key_size": "P-256",
            "keystore_type": "PEM",
            "comments": "for the new shop",
            "external_requesters": ["web@nordhafen.example"],
            "custom_fields": {"Cost centre": "4711"},
        },
    ],
    "validate": [
        {"domain": "nordhafen.example"},
        {
            "domain": "nordhafen.example",
            "account": "nordhafen",
            "method": "txt",
            "dns": "zone",
            "within": 7,
        },
        {"domain": "nordhafen.example", "method": "email", "email": "hostmaster@nordhafen.example"},
    ],
    "poll": [{}, {"order": ORDER_ID}, {"order": "scm:4711"}],
    "renew": [
        {"certificate": "www.nordhafen.example"},
        {"certificate": SERIAL, "key_algorithm": "EC", "key_size": "P-256"},
    ],
    "reissue": [
        {"certificate": CERTIFICATE_ID, "reason": "another name"}
        | NAMES
        | {"key_algorithm": "RSA", "key_size": "3072"}
    ],
    "revoke": [
        {
            "certificate": SERIAL,
            "comments": "its key was in a backup that is lost",
            "reason_code": "key-compromise",
        },
        {"order": "scm:4711", "comments": "the shop has closed"},
    ],
    "cancel": [{"order": ORDER_ID, "comments": "ordered by mistake"}],
    "delete": [
        {"certificate": CERTIFICATE_ID, "comments": "the shop has closed"},
        {"order": ORDER_ID},
    ],
    "import": [
        {},
        {"status": "Issued", "organization": "Nordhafen University"},
        {"order": [4711, "scm:4712"]},
        {"account": "nordhafen", "known": True},
    ],
}

_ORDER = {
    "order_id": ORDER_ID,
    "account": "nordhafen",
    "scm_id": 4711,
    **NAMES,
    "certificate_id": None,
}
_STORED = _ORDER | {
    "status": "stored",
    "certificate_id": CERTIFICATE_ID,
    "serial_number": SERIAL,
    "sha256_fingerprint": FINGERPRINT,
    "not_after": "2026-09-17T23:59:59+00:00",
}
_NONE = {"total": 12, "added": 0, "changed": 0, "gone": 0, "names": {}}
_COUNTS = {
    "listed": 1200,
    "known": 1100,
    "new": 0,
    "stored": 80,
    "held": 0,
    "pending": 3,
    "closed": 14,
    "updated": 2,
    "left": 0,
    "failed": 1,
}

EVENTS: dict[str, dict[str, Any]] = {
    "order.placed": _ORDER | {"scm_id": None, "status": "placed"},
    "order.pending": _ORDER | {"status": "pending", "reason": None},
    "order.issued": _ORDER | {"status": "issued", "reason": None},
    "order.held": _ORDER
    | {"status": "held", "reason": "no licence is left (10 of 10 lines in use)"},
    "order.rejected": _ORDER | {"status": "rejected", "reason": "SCM declined it"},
    "order.cancelled": _ORDER | {"status": "cancelled", "reason": "ordered by mistake"},
    "order.review": _ORDER | {"status": "review", "reason": "two orders at SCM look like this one"},
    "order.deleted": _ORDER | {"status": "rejected"},
    "certificate.stored": _STORED,
    "certificate.renewed": _STORED | {"supersedes": OLDER_ID, "reason": None},
    "certificate.reissued": _STORED | {"supersedes": OLDER_ID, "reason": "another name"},
    "certificate.revoked": {
        "certificate_id": CERTIFICATE_ID,
        "account": "nordhafen",
        "scm_id": 4711,
        **NAMES,
        "serial_number": SERIAL,
        "reason_code": "key-compromise",
        "revoked_at": "2026-03-02T09:30:00+00:00",
    },
    "certificate.deleted": {
        "certificate_id": CERTIFICATE_ID,
        "line_id": LINE_ID,
        "scm_id": 4711,
        "common_name": NAMES["common_name"],
        "serial_number": SERIAL,
        "sha256_fingerprint": FINGERPRINT,
        "status": "active",
    },
    "certificate.expiring": {
        "certificate_id": CERTIFICATE_ID,
        "account": "nordhafen",
        "scm_id": 4711,
        **NAMES,
        "serial_number": SERIAL,
        "not_after": "2026-04-01T09:00:00+00:00",
        "days": 30,
        "days_left": 29,
        "renewal": "planned",
        "renews_at": "2026-03-15T00:00:00+00:00",
        "order_id": None,
        "reason": None,
    },
    "license.exhausted": {"capacity": 10, "used": 10, "held": 1, "valid_until": None},
    "license.expiring": {
        "capacity": 10,
        "used": 7,
        "held": 0,
        "valid_until": "2026-03-31",
        "days": 30,
        "days_left": 30,
    },
    "license.released": {"orders": [ORDER_ID], "reason": "the capacity is 20 now"},
    "domain.validated": _VALIDATION | {"expires": "2026-09-18", "renewed": True},
    "domain.validation_failed": _VALIDATION
    | {
        "expires": "2026-03-12",
        "reason": "waited 2 days for the proof to be seen; last: expected CNAME "
        "'6b2f.c0a9.sectigo.example' at _6b2f.nordhafen.example; found no such name at ns1.nordhafen.example",
    },
    "domain.validation_waiting": _VALIDATION
    | {"record": "_6b2f.nordhafen.example", "value": "6b2f.c0a9.sectigo.example"},
    "domain.validation_expiring": _VALIDATION
    | {
        "expires": "2027-05-20",
        "last_day": "2027-03-14",
        "days": 30,
        "days_left": 30,
        "certificates": 42,
        "renewal": "planned",
        "begins": "2027-03-07",
        "validation_id": None,
    },
    "account.suspended": {"account": "nordhafen", "reason": "SCM refuses the login"},
    "sync.completed": {
        "account": "nordhafen",
        "organizations": _NONE,
        "domains": _NONE | {"added": 1, "names": {"added": ["nordhafen.example"]}},
    },
    "import.completed": {
        "account": "nordhafen",
        "total": 1200,
        **_COUNTS,
        "news": {"new": 98, "replaced": 1, "renewed": 1, "revoked": 0, "auto_renew": 0},
        "failures": [{"scm_id": 4799, "reason": "SCM has no certificate for it"}],
    },
    "poll.completed": {
        "orders": 1,
        **{name: value for name, value in _ORDER.items() if name != "sans"},
        "status": "pending",
        "scm_status": "Requested",
    },
    "auto_renew.completed": {
        "run_id": "3f1c9a52-7d0b-4b8e-9a64-2c5d8e7f1a30",
        "started_at": "2026-03-02T05:30:04+00:00",
        "ended_at": "2026-03-02T05:30:09+00:00",
        "looked_at": 1200,
        "due": 41,
        "renewed": 39,
        "skipped": 1,
        "held": 0,
        "refused": 1,
        "failed": 0,
        "refusals": [
            {
                "certificate_id": CERTIFICATE_ID,
                "common_name": NAMES["common_name"],
                "reason": "the validation of nordhafen.example expired on 2026-03-01: SCM may refuse "
                "names in it",
            }
        ],
    },
    "command.rejected": {
        "dead_letter": "01KJQA1C3E5G7J9M1P3R5T7V9X",
        "message_id": COMMAND,
        "sender": "shop",
        "problems": ["data.term: is missing", "data.colour: there is no such field"],
    },
    "command.failed": {
        "command_id": COMMAND,
        "type": "order",
        "error": "domain nordhafen.example is not validated",
    },
    "audit.head": {
        "head": f"1042:{FINGERPRINT}",
        "entries": 1042,
        "at": "2026-03-02T09:00:03+00:00",
    },
    "recovery.started": {
        "reason": "the timeline was 1 and is 2",
        "known_until": "2026-03-02T08:59:58+00:00",
        "compares_at": "2026-03-02T09:15:03+00:00",
    },
    "recovery.ended": {
        "accepted": False,
        "orders_found": 54,
        "renewals": 3,
        "reissues": 1,
        "keys_lost": 54,
        "to_decide": 0,
    },
}

# The data field that an event's `subject` is taken from, by the beginning of its type; None: no subject.
SUBJECTS = {
    "order.": "order_id",
    "certificate.": "certificate_id",
    "license.exhausted": None,
    "license.released": None,
    "license.expiring": None,
    "domain.": "domain",
    "account.": "account",
    "sync.": "account",
    "import.": "account",
    "poll.": "order_id",
    "auto_renew.": "run_id",
    "command.rejected": "dead_letter",
    "command.failed": None,
    "audit.": None,
    "recovery.": None,
}


# Events that belong to no single command.
WITHOUT_COMMAND = frozenset(
    {
        *("license.released", "license.expiring", "account.suspended"),
        *("certificate.expiring", "audit.head", "recovery.started", "recovery.ended"),
        "domain.validation_expiring",
    }
)


def commands() -> dict[str, list[dict[str, Any]]]:
    """Return the examples of each command, by name, as the CloudEvents a sender publishes."""
    return {
        name: [
            {
                "specversion": "1.0",
                "id": str(uuid5(IDS, f"{name} {number}")),
                "source": SHOP,
                "type": f"certline.command.{name}.v1",
                "data": data,
            }
            for number, data in enumerate(examples)
        ]
        for name, examples in COMMANDS.items()
    }


def events() -> dict[str, dict[str, Any]]:
    """Return the example of each event, by type, as the CloudEvent a receiver gets."""
    return {kind: _event(kind) for kind in EVENT_DATA}


def _event(kind: str) -> dict[str, Any]:
    data = EVENTS[kind]
    event = {
        "specversion": "1.0",
        "id": str(uuid5(IDS, kind)),
        "source": SOURCE,
        "type": kind,
        "time": AT.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": schema_of(kind),
        "data": data,
    }
    field = next(field for start, field in SUBJECTS.items() if kind.startswith(start))
    if field is not None:
        event["subject"] = data[field]
    if kind not in WITHOUT_COMMAND:
        event["correlationid"] = data.get("run_id", COMMAND)
    return event
