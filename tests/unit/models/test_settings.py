"""Tests that addresses are shown without their passwords."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from certline.cli.explain import explain
from certline.models.server_url import without_password
from certline.models.settings import VARIABLES as ALL
from certline.models.settings import (
    InvalidSettingsError,
    Settings,
    UnknownVariableError,
    settings,
    unknown_variables,
)
from certline.workers.deploying.files import VARIABLES

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
    for name in ALL:
        monkeypatch.setenv(f"CERTLINE_{name.upper()}", "")
    with_empty_ones = Settings()

    for name in ALL:
        monkeypatch.delenv(f"CERTLINE_{name.upper()}")

    assert with_empty_ones == Settings()
    assert with_empty_ones.embedded


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTLINE_DATABASE_URL", f"postgresql://ida:{SECRET}@host/certline")
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", f"amqp://ida:{SECRET}@host")
    monkeypatch.setenv("CERTLINE_SECRET_KEY", SECRET)

    assert SECRET not in repr(Settings())
    assert SECRET not in str(vars(Settings()))


def test_a_line_without_a_database_is_embedded_in_its_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CERTLINE_HOME", str(tmp_path))

    assert Settings().embedded
    assert Settings().home == tmp_path


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("METRICS_PORT", "99999999"),
        ("METRICS_PORT", "0"),
        ("SETTLE_SECONDS", "-1"),
        ("SETTLE_SECONDS", f"{10**30}"),
        ("POLL_SECONDS", "nan"),
        ("POLL_SECONDS", "inf"),
        ("RATE_READ", "0"),
        ("RATE_ORDER", "inf"),
        ("SCM_READ_SECONDS", "nan"),
        ("QUEUE_TYPE", "stream"),
        ("LOG", "loud"),
        ("RABBITMQ_URL", ";"),
    ],
)
def test_a_value_out_of_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"CERTLINE_{variable}", value)

    with pytest.raises(InvalidSettingsError, match=f"CERTLINE_{variable}: should be|RABBITMQ"):
        Settings()


def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTLINE_SETLE_SECONDS", "60")
    settings.cache_clear()

    with pytest.raises(UnknownVariableError, match="did you mean CERTLINE_SETTLE_SECONDS") as wrong:
        settings()

    fault = explain(wrong.value)
    assert fault is not None
    assert fault.code == 2


def test_other_variables_of_the_prefix_are_named_unless_they_are_ours_or_a_hooks() -> None:
    given = {
        "CERTLINE_TEST_DATABASE_URL": "x",
        "CERTLINE_DEBUG": "1",
        "CERTLINE_POLL_SECONDS": "1",
        "CERTLINE_EMPTY": "",
        "CERTLINE_SOMETHING": "x",
        "OTHER": "x",
        **dict.fromkeys(VARIABLES.values(), "x"),
    }

    assert unknown_variables(given) == ["CERTLINE_SOMETHING"]


def test_each_variable_that_the_code_names_is_known() -> None:
    # The sources are linked into the package, so the globs name the parts.
    root = Path(__file__).parents[3]
    parts = ("cli", "models", "producers", "workers")
    texts = [path.read_text() for part in parts for path in (root / part).rglob("*.py")]
    named = {name for text in texts for name in re.findall(r'"(CERTLINE_[A-Z0-9_]+)"', text)}

    assert named
    assert unknown_variables(dict.fromkeys(named, "x")) == []
