"""Tests that addresses are shown without their passwords."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from certline.models.settings import Settings, without_password

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"amqp://ida:{SECRET}@mq:5672/%2F", "amqp://ida:***@mq:5672/%2F"),
        (f"postgresql://:{SECRET}@db/certline", "postgresql://:***@db/certline"),
        (f"postgresql://ida:{SECRET}@db1,db2:5433/x", "postgresql://ida:***@db1,db2:5433/x"),
        (f"amqps://ida:{SECRET}@[::1]:5671", "amqps://ida:***@[::1]:5671"),
        (f"amqp://ida:{SECRET}@mq?heartbeat=30", "amqp://ida:***@mq?heartbeat=30"),
        ("amqp://ida@mq", "amqp://ida@mq"),
        ("amqp://mq", "amqp://mq"),
        ("postgresql:///certline", "postgresql:///certline"),
        (
            f"postgresql://db/x?user=ida&password={SECRET}",
            "postgresql://db/x?user=ida&password=***",
        ),
        (f"postgresql://db/x?sslpassword={SECRET}&a=1", "postgresql://db/x?sslpassword=***&a=1"),
        (f"amqp://ida:{SECRET}@mq1;amqp://b:{SECRET}@mq2", "amqp://ida:***@mq1;amqp://b:***@mq2"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize("twist", ["@", ":", "/", "://", "#", "?", "%40", " ", ";"])
def test_a_password_with_special_characters_is_not_shown_in_part(twist: str) -> None:
    shown = without_password(f"amqp://ida:{SECRET}{twist}{SECRET}@mq:5672/%2F")

    assert shown == "amqp://ida:***@mq:5672/%2F"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("amqp://mq1;amqps://mq2", ["amqp://mq1", "amqps://mq2"]),
        (" amqp://mq1 ; amqp://mq2 ; ", ["amqp://mq1", "amqp://mq2"]),
        ("amqp://ida:hunter;two@mq1;amqp://mq2", ["amqp://ida:hunter;two@mq1", "amqp://mq2"]),
    ],
)
def test_the_nodes_of_a_cluster_are_told_apart_from_a_semicolon_in_a_password(
    text: str, urls: list[str]
) -> None:
    assert Settings(rabbitmq_url=SecretStr(text)).rabbitmq_urls == urls


def test_a_variable_that_is_empty_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"CERTLINE_{name.upper()}", "")
    with_empty_ones = Settings()

    for name in Settings.model_fields:
        monkeypatch.delenv(f"CERTLINE_{name.upper()}")

    assert with_empty_ones == Settings()
    assert with_empty_ones.embedded


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "RABBITMQ_URL", "SECRET_KEY"):
        monkeypatch.setenv(f"CERTLINE_{name}", f"amqp://ida:{SECRET}@host")

    assert SECRET not in repr(Settings())
    assert SECRET not in str(Settings().model_dump())


def test_a_line_without_a_database_is_embedded_in_its_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CERTLINE_HOME", str(tmp_path))

    assert Settings().embedded
    assert Settings().home == tmp_path
