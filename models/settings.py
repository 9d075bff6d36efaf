"""Settings from the environment: one typed object, read once in each process."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Values of the `CERTLINE_*` environment variables; each is described in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="CERTLINE_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: SecretStr | None = None
    rabbitmq_url: SecretStr | None = None
    secret_key: SecretStr | None = None
    secret_key_file: Path | None = None
    home: Path = Field(default_factory=lambda: Path.home() / ".local" / "share" / "certline")
    settle_seconds: int = Field(default=900, ge=0)
    poll_seconds: float = Field(default=30.0, gt=0)
    # Calls to SCM per second and account.
    rate_read: float = Field(default=10.0, gt=0)
    rate_order: float = Field(default=2.0, gt=0)
    queue_type: Literal["classic", "quorum"] = "classic"
    log: Literal["console", "json"] | None = None
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    # In containers, where every user has the same name: who the user claims to be.
    who: str | None = Field(default=None, max_length=64)
    # Seconds: to connect, and between two bytes of SCM's response (SCM document: enrol is the slow one).
    scm_connect_seconds: float = Field(default=10.0, gt=0)
    scm_read_seconds: float = Field(default=60.0, gt=0)
    # Longer, because SCM computes a report while we wait (SCM document: limits).
    scm_report_seconds: float = Field(default=300.0, gt=0)
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
    """Return the settings of this process. Raises pydantic's ValidationError if a variable is invalid."""
    return Settings()


def urls_in(text: str) -> list[str]:
    """Return the URLs of a list separated by `;`. A `;` within a password does not separate."""
    # Split only where a scheme or the end of the text follows.
    return [url.strip() for url in re.split(r";(?=\s*(?:\w+://|$))", text) if url.strip()]


def without_password(urls: str) -> str:
    """Return one or several URLs with each password replaced by `***`, fit to be displayed."""
    return ";".join(_without_password(url) for url in urls_in(urls))


def _without_password(url: str) -> str:
    url = re.sub(r"([?&]\w*password=)[^&]*", r"\1***", url)
    # The last @, because a password may contain one.
    head, at, tail = url.rpartition("@")
    if not at or "://" not in head:
        return url
    scheme, _, user = head.partition("://")
    name, colon, _ = user.partition(":")
    return f"{scheme}://{name}{':***' if colon else ''}@{tail}"
