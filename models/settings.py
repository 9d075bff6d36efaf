"""What the environment may say: one typed object, read once at the edge of a process."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The `CERTLINE_*` variables; each is described in docs/settings.md."""

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
    rate_read: float = Field(default=10.0, gt=0)
    rate_order: float = Field(default=2.0, gt=0)
    queue_type: Literal["classic", "quorum"] = "classic"
    log: Literal["console", "json"] | None = None
    metrics_port: int | None = None
    # Seconds: to connect, and between two bytes of SCM's answer (scm-api: enrol is the slow one).
    scm_connect_seconds: float = Field(default=10.0, gt=0)
    scm_read_seconds: float = Field(default=60.0, gt=0)
    # A report is made while we wait (scm-api, section 5).
    scm_report_seconds: float = Field(default=300.0, gt=0)
    scm_ca_bundle: Path | None = None

    @property
    def settle(self) -> timedelta:
        """How long an unknown outcome rests before it is looked up at SCM."""
        return timedelta(seconds=self.settle_seconds)

    @property
    def embedded(self) -> bool:
        """True where no database was named, so Postgres runs from its wheel in `home`."""
        return self.database_url is None

    @property
    def rabbitmq_urls(self) -> list[str]:
        """The nodes of RabbitMQ; none where no broker was named."""
        return [] if self.rabbitmq_url is None else urls_in(self.rabbitmq_url.get_secret_value())


@cache
def settings() -> Settings:
    """The process's settings. Raises pydantic's ValidationError where a variable is wrong."""
    return Settings()


def urls_in(text: str) -> list[str]:
    """The URLs of a list that is separated by `;`, which a password may contain too."""
    return [url.strip() for url in re.split(r";(?=\s*(?:\w+://|$))", text) if url.strip()]


def without_password(urls: str) -> str:
    """A server's URL, or several, fit to be shown: each password is replaced by `***`."""
    return ";".join(_without_password(url) for url in urls_in(urls))


def _without_password(url: str) -> str:
    url = re.sub(r"([?&]\w*password=)[^&]*", r"\1***", url)
    head, at, tail = url.rpartition("@")
    if not at or "://" not in head:
        return url
    scheme, _, user = head.partition("://")
    name, colon, _ = user.partition(":")
    return f"{scheme}://{name}{':***' if colon else ''}@{tail}"
