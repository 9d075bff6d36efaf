"""Settings from the environment: one typed object, read once in each process."""

import os
import stat
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from certline.models.environment.variable import (
    SecretText,
    Variable,
    choice,
    number,
    path,
    seconds,
    secret,
    text,
    whole,
)
from certline.models.server_url import MOST_PORT, POSTGRES, RABBITMQ, url_fault, urls_in

PREFIX = "CERTLINE_"
# Variables of that prefix which are no settings: the programs' own switches, and what a deploy hook is given, for
# a hook may run certline. Below FREE, those of tests and of compose files.
OTHERS = frozenset(
    {
        *("DEBUG", "RUN_ALL", "INSTALL"),
        *("HOOK", "EVENT", "ACCOUNT", "CERTIFICATE_ID", "LINE_ID", "SCM_ID", "COMMON_NAME", "SANS"),
        *("SERIAL_NUMBER", "SHA256_FINGERPRINT", "NOT_BEFORE", "NOT_AFTER", "DIRECTORY"),
        *("CERTIFICATE_FILE", "CHAIN_FILE", "FULLCHAIN_FILE", "KEY_FILE", "KEYSTORE_FILE"),
        "KEYSTORE_PASSWORD_FILE",
        *("DNS_ACTION", "DNS_NAME", "DNS_TYPE", "DNS_VALUE", "DNS_ZONE"),
    }
)
FREE = ("TEST_", "COMPOSE_")
SYSTEM_HOME = Path("/var/lib/certline")


class UnknownVariableError(Exception):
    """A `CERTLINE_*` variable is misspelt: it is none of ours, but resembles one. `problems`: one a variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class InvalidSettingsError(Exception):
    """Values of variables are invalid. `problems`: one a variable, without its value, which may be a secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _postgres_url(url: str) -> str:
    fault = url_fault(url.strip(), POSTGRES)
    if fault is not None:
        raise ValueError(fault)
    return url.strip()


def _rabbitmq_urls(urls: str) -> str:
    nodes = urls_in(urls) or [""]
    faults = [fault for node in nodes if (fault := url_fault(node, RABBITMQ)) is not None]
    if faults:
        raise ValueError(faults[0])
    return urls


def _usual_home() -> Path:
    try:
        usual = Path.home() / ".local" / "share" / "certline"
    except RuntimeError:  # neither HOME nor an entry in passwd, as for a container's arbitrary uid
        return SYSTEM_HOME
    # As root, Postgres runs as another user, to whom root's home is closed on most systems. An installation that
    # is there stays.
    if os.geteuid() != 0 or usual.exists() or _is_open(usual):
        return usual
    return SYSTEM_HOME


def _is_open(path: Path) -> bool:
    """Return True if every user can pass through the folders above a path, as far as they exist."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in path.parents if each.exists())


class Settings:
    """Values of the `CERTLINE_*` environment variables; each is described in docs/settings.md.

    Not a pydantic class: every command reads them, and pydantic takes longer to load than most commands run.
    """

    database_url: SecretText | None = secret(_postgres_url)
    # The same database past PgBouncer, through which no NOTIFY reaches the relay.
    database_direct_url: SecretText | None = secret(_postgres_url)
    # For `certline init` only: the role that the parts log in as, and its password (models/database/app_role.py).
    app_role: str | None = text(most=63)  # Postgres' longest name
    app_password: SecretText | None = secret()
    # The same for the role that the board logs in as (models/database/board_role.py).
    board_role: str | None = text(most=63)
    board_password: SecretText | None = secret()
    # Who may look at the board, with hashes of their passwords.
    board_users_file: Path | None = path()
    rabbitmq_url: SecretText | None = secret(_rabbitmq_urls)
    secret_key: SecretText | None = secret()
    secret_key_file: Path | None = path()
    home: Path = path(_usual_home)
    settle_seconds: int = whole(900, least=0, most=30 * 86_400)
    poll_seconds: float = number(30.0, above=0, most=86_400)
    # Calls to SCM per second and account.
    rate_read: float = number(10.0, above=0, most=10_000)
    rate_order: float = number(2.0, above=0, most=10_000)
    queue_type: Literal["classic", "quorum"] = choice("classic", "quorum", default="classic")
    log: Literal["console", "json"] | None = choice("console", "json", default=None)
    # A file to which the producer appends the head of the audit log each hour.
    audit_heads: Path | None = path()
    metrics_port: int | None = whole(None, least=1, most=MOST_PORT)
    metrics_host: str = text("127.0.0.1", pattern="[0-9A-Za-z.:_-]+")
    # In containers, where every user has the same name: who the user claims to be.
    who: str | None = text(most=64)
    # The user that hooks' commands run as; the worker's own if not set.
    hook_user: str | None = text(most=64)
    # Seconds between two heartbeats of a process; after three it counts as gone.
    heartbeat_seconds: float = number(15.0, above=0, most=3_600)
    # Quotas of one sender (a RabbitMQ user), and how long rows are kept.
    most_dead_letters: int = whole(500, least=1, most=100_000)
    most_open_commands: int = whole(10_000, least=1, most=10_000_000)
    keep_dead_letters_days: int = whole(90, least=1, most=36_500)
    keep_events_days: int = whole(7, least=1, most=36_500)
    keep_steps_days: int = whole(30, least=1, most=36_500)
    # Ids of commands are idempotency keys: an id that comes again after its row is gone is a new request.
    keep_commands_days: int = whole(400, least=90, most=36_500)
    # Seconds: to connect, and between two bytes of SCM's response (SCM document: enrol is the slow one).
    scm_connect_seconds: float = seconds(10.0)
    scm_read_seconds: float = seconds(60.0)
    # Longer, because SCM computes a report while we wait (SCM document: limits).
    scm_report_seconds: float = seconds(300.0)
    scm_ca_bundle: Path | None = path()

    def __init__(self, **given: Any) -> None:
        """Take the values that are given, and the others from the environment. Raises InvalidSettingsError."""
        environment = {name.upper(): value for name, value in os.environ.items() if value}
        problems = []
        for name, variable in VARIABLES.items():
            found = environment.get(f"{PREFIX}{name.upper()}")
            try:
                if name in given:
                    value = variable.value(given[name])
                else:
                    value = variable.usual() if found is None else variable.value(found)
            except ValueError as wrong:
                problems.append(f"{PREFIX}{name.upper()}: {wrong}")
            else:
                object.__setattr__(self, name, value)
        if problems:
            raise InvalidSettingsError(problems)

    def replace(self, **given: Any) -> Self:
        """Return these settings with other values for some variables."""
        return type(self)(**vars(self) | given)

    def __setattr__(self, name: str, value: object) -> None:
        """Raise AttributeError: settings do not change."""
        raise AttributeError(f"the setting {name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        """Return True for the same values."""
        return isinstance(other, Settings) and vars(other) == vars(self)

    def __hash__(self) -> int:
        """Return a number that is the same for the same values."""
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        """Return the values, but no secrets."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    @property
    def settle(self) -> timedelta:
        """Settle time: how long an unknown outcome rests before it is reconciled."""
        return timedelta(seconds=self.settle_seconds)

    @property
    def embedded(self) -> bool:
        """True if no database is configured, so that the embedded Postgres (from its wheel) runs in `home`."""
        return self.database_url is None

    @property
    def direct_url(self) -> str | None:
        """URL of Postgres past PgBouncer, or None."""
        direct = self.database_direct_url
        return None if direct is None else direct.get_secret_value()

    @property
    def rabbitmq_urls(self) -> list[str]:
        """URLs of RabbitMQ's nodes; empty if no broker is configured."""
        return [] if self.rabbitmq_url is None else urls_in(self.rabbitmq_url.get_secret_value())


VARIABLES: dict[str, Variable] = {
    name: value for name, value in vars(Settings).items() if isinstance(value, Variable)
}


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises InvalidSettingsError if a variable is invalid, UnknownVariableError if one is misspelt.
    """
    misspelt = [
        f"{name} is not a setting; did you mean {meant}?"
        for name in unknown_variables()
        if (meant := _meant(name)) is not None
    ]
    if misspelt:
        # Refused, not ignored: the default in place of CERTLINE_SETTLE_SECONDS could buy a certificate twice.
        raise UnknownVariableError(misspelt)
    return Settings()


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of variables that begin with `CERTLINE_`, are not empty and none of ours, sorted.

    `environment`: that of this process if not given.
    """
    known = {field.upper() for field in VARIABLES} | OTHERS
    found = []
    for name, value in (os.environ if environment is None else environment).items():
        _, prefix, own = name.upper().partition(PREFIX)
        if name.upper() == prefix + own and own not in known | {""} and value:
            found.append(name)
    return sorted(name for name in found if not name.upper().removeprefix(PREFIX).startswith(FREE))


def _meant(name: str) -> str | None:
    """Return the setting that a variable is a misspelling of, or None if it resembles none."""
    fields = [field.upper() for field in VARIABLES]
    close = get_close_matches(name.upper().removeprefix(PREFIX), fields, n=1, cutoff=0.8)
    return f"{PREFIX}{close[0]}" if close else None
