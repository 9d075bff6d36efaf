"""Tests of the URLs of Postgres and RabbitMQ: a malformed one is refused, and no part of its password is shown."""

import pytest
from pydantic import SecretStr

from certline.cli.explain import explain
from certline.models.server_url import POSTGRES, RABBITMQ, ServerKind, url_fault
from certline.models.settings import InvalidSettingsError, Settings


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (POSTGRES, "postgresql://ida:hunter2@db:5432/line"),
        (POSTGRES, "postgres://db/line"),
        (POSTGRES, "postgresql+psycopg://ida@db1,db2:5433/line?sslmode=require"),
        (POSTGRES, "postgresql:///line"),
        (POSTGRES, "postgresql://%2Fvar%2Frun%2Fpostgresql/line"),
        (POSTGRES, "postgresql://db/line?user=ida%40nordhafen&password=a@b"),
        (POSTGRES, "postgresql://ida:p%40ss%2Fword@[::1]:5432/line"),
        (RABBITMQ, "amqp://guest:guest@127.0.0.1:5672/%2F"),
        (RABBITMQ, "amqps://ida:semi;colon@mq1/"),
        (RABBITMQ, "AMQP://mq?heartbeat=30"),
    ],
)
def test_a_well_formed_url_is_accepted(kind: ServerKind, url: str) -> None:
    assert url_fault(url, kind) is None


@pytest.mark.parametrize(
    ("kind", "url", "said"),
    [
        (POSTGRES, "127.0.0.1", "is not a URL"),
        (POSTGRES, "mysql://ida:hunter2@db/line", "mysql:// is not a URL of Postgres"),
        (POSTGRES, "sqlite:///line.db", "sqlite:// is not a URL of Postgres"),
        (POSTGRES, "postgresql://ida:x@hunter2@db/line", "write @ as %40"),
        (POSTGRES, "postgresql://ida:x/hunter2@db/line", "/ as %2F"),
        (POSTGRES, "postgresql://ida:1/hunter2@db/line", "/ as %2F"),
        (POSTGRES, "postgresql://ida:x?hunter2@db/line", "? as %3F"),
        (POSTGRES, "postgresql://ida:x#hunter2@db/line", "# as %23"),
        (POSTGRES, "postgresql://ida:x:hunter2@db/line", ": as %3A"),
        (POSTGRES, "postgresql://ida:x hunter2@db/line", "a blank as %20"),
        (POSTGRES, "postgresql://db:99999/line", "port"),
        (POSTGRES, "postgresql://db:hunter2/line", "port"),
        (POSTGRES, "postgresql://db:/line", "port"),
        (RABBITMQ, "127.0.0.1", "is not a URL"),
        (RABBITMQ, "http://127.0.0.1:5672/", "http:// is not a URL of RabbitMQ"),
        (RABBITMQ, "amqp://", "names no host"),
        (RABBITMQ, "amqp:///line", "names no host"),
        (RABBITMQ, "amqp://mq:0/", "port"),
        (RABBITMQ, "amqp://mq/a/b", "%2F"),
        (RABBITMQ, "amqp://ida:hunter2@mq;mq2", "host"),
    ],
)
def test_a_malformed_url_is_refused_with_what_to_do(kind: ServerKind, url: str, said: str) -> None:
    fault = url_fault(url, kind)

    assert fault is not None
    assert said in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize("field", ["database_url", "rabbitmq_url"])
def test_the_variable_is_named_and_exit_code_2_given(field: str) -> None:
    with pytest.raises(InvalidSettingsError) as wrong:
        Settings(**{field: SecretStr("amqp://ida:x@hunter2@mq/")})

    fault = explain(wrong.value)

    assert fault is not None
    assert fault.code == 2
    assert fault.problems[0].startswith(f"CERTLINE_{field.upper()}: ")
    assert "hunter2" not in str(fault.problems)
