"""Settings from the environment: one typed object, read once in each process."""

import os
import stat
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

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
    }
)
FREE = ("TEST_", "COMPOSE_")
SYSTEM_HOME = Path("/var/lib/certline")


class UnknownVariableError(Exception):
    """A `CERTLINE_*` variable is misspelt: it is none of ours, but resembles one. `problems`: one a variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _postgres_url(url: SecretStr) -> SecretStr:
    fault = url_fault(url.get_secret_value().strip(), POSTGRES)
    if fault is not None:
        raise ValueError(fault)
    return SecretStr(url.get_secret_value().strip())


def _rabbitmq_urls(urls: SecretStr) -> SecretStr:
    nodes = urls_in(urls.get_secret_value()) or [""]
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


def _seconds(default: float) -> float:
    """Return the field of a time-out in seconds."""
    field: float = Field(default=default, gt=0, le=3600, allow_inf_nan=False)
    return field


class Settings(BaseSettings):
    """Values of the `CERTLINE_*` environment variables; each is described in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: Annotated[SecretStr, AfterValidator(_postgres_url)] | None = None
    # For `certline init` only: the role that the parts log in as, and its password (models/database/app_role.py).
    app_role: str | None = Field(default=None, max_length=63)  # Postgres' longest name
    app_password: SecretStr | None = None
    rabbitmq_url: Annotated[SecretStr, AfterValidator(_rabbitmq_urls)] | None = None
    secret_key: SecretStr | None = None
    secret_key_file: Path | None = None
    home: Path = Field(default_factory=_usual_home)
    settle_seconds: int = Field(default=900, ge=0, le=30 * 86_400)
    poll_seconds: float = Field(default=30.0, gt=0, le=86_400, allow_inf_nan=False)
    # Calls to SCM per second and account.
    rate_read: float = Field(default=10.0, gt=0, le=10_000, allow_inf_nan=False)
    rate_order: float = Field(default=2.0, gt=0, le=10_000, allow_inf_nan=False)
    queue_type: Literal["classic", "quorum"] = "classic"
    log: Literal["console", "json"] | None = None
    # A file to which the producer appends the head of the audit log each hour.
    audit_heads: Path | None = None
    metrics_port: int | None = Field(default=None, ge=1, le=MOST_PORT)
    metrics_host: str = Field(default="127.0.0.1", pattern=r"^[0-9A-Za-z.:_-]+$")
    # In containers, where every user has the same name: who the user claims to be.
    who: str | None = Field(default=None, max_length=64)
    # The user that hooks' commands run as; the worker's own if not set.
    hook_user: str | None = Field(default=None, max_length=64)
    # Seconds between two heartbeats of a process; after three it counts as gone.
    heartbeat_seconds: float = Field(default=15.0, gt=0, le=3_600, allow_inf_nan=False)
    # Quotas of one sender (a RabbitMQ user), and how long rows are kept.
    most_dead_letters: int = Field(default=500, ge=1, le=100_000)
    most_open_commands: int = Field(default=10_000, ge=1, le=10_000_000)
    keep_dead_letters_days: int = Field(default=90, ge=1, le=36_500)
    keep_events_days: int = Field(default=7, ge=1, le=36_500)
    keep_steps_days: int = Field(default=30, ge=1, le=36_500)
    # Ids of commands are idempotency keys: an id that comes again after its row is gone is a new request.
    keep_commands_days: int = Field(default=400, ge=90, le=36_500)
    # Seconds: to connect, and between two bytes of SCM's response (SCM document: enrol is the slow one).
    scm_connect_seconds: float = _seconds(10.0)
    scm_read_seconds: float = _seconds(60.0)
    # Longer, because SCM computes a report while we wait (SCM document: limits).
    scm_report_seconds: float = _seconds(300.0)
    scm_ca_bundle: Path | None = None

    @property
    def settle(self) -> timedelta:
        """Settle time: how long an unknown outcome rests before it is reconciled."""
        return timedelta(seconds=self.settle_seconds)

    @property
    def embedded(self) -> bool:
        """True if no database is configured, so that the embedded Postgres (from its wheel) runs in `home`."""
        return self.database_url is None

    @property
    def rabbitmq_urls(self) -> list[str]:
        """URLs of RabbitMQ's nodes; empty if no broker is configured."""
        return [] if self.rabbitmq_url is None else urls_in(self.rabbitmq_url.get_secret_value())


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises pydantic's ValidationError if a variable is invalid, UnknownVariableError if one is misspelt.
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
    known = {field.upper() for field in Settings.model_fields} | OTHERS
    found = []
    for name, value in (os.environ if environment is None else environment).items():
        _, prefix, own = name.upper().partition(PREFIX)
        if name.upper() == prefix + own and own not in known | {""} and value:
            found.append(name)
    return sorted(name for name in found if not name.upper().removeprefix(PREFIX).startswith(FREE))


def _meant(name: str) -> str | None:
    """Return the setting that a variable is a misspelling of, or None if it resembles none."""
    fields = [field.upper() for field in Settings.model_fields]
    close = get_close_matches(name.upper().removeprefix(PREFIX), fields, n=1, cutoff=0.8)
    return f"{PREFIX}{close[0]}" if close else None
