"""Tests of error messages and exit codes."""

import json
from importlib import import_module

import psycopg
import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from certline.cli import report
from certline.cli.errors import Fault
from certline.cli.explain import BAD_URL, DATABASE, PLAIN, SEVERAL, explain
from certline.models.certificates.certificate import SeveralCertificatesError
from certline.models.settings import InvalidSettingsError, Settings, settings
from certline.models.validation import BadCommandError
from certline.producers.processes import ServerDownError


def told(error: Exception) -> Fault:
    """Return the error as shown to the user."""
    fault = explain(error)
    assert fault is not None
    return fault


def test_problems_of_a_command_carry_the_names_of_the_options() -> None:
    problems = ["term: 3 days is not allowed", "sans.1: 'x' is no host name", "key_size: is wrong"]

    fault = told(BadCommandError(problems))

    assert fault.code == 2
    assert [problem.partition(":")[0] for problem in fault.problems] == [
        "--term",
        "--san",
        "--key-size",
    ]


def test_a_problem_without_a_field_stays_as_it_is() -> None:
    fault = told(BadCommandError(["nothing is known yet: run `certline sync` first"]))

    assert fault.message == "nothing is known yet: run `certline sync` first"


def test_a_database_that_is_away_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTLINE_DATABASE_URL", "postgresql://amelie:hunter2@db.test/line")
    settings.cache_clear()
    lost = psycopg.OperationalError("connection refused\n\tIs the server running?")

    fault = told(OperationalError("SELECT 1", {}, lost))
    settings.cache_clear()

    assert fault.code == 6
    assert fault.message == (
        "Postgres at postgresql://amelie:***@db.test/line does not answer: connection refused"
    )


def test_missing_tables_are_made_by_init() -> None:
    fault = told(ProgrammingError("SELECT 1", {}, psycopg.errors.UndefinedTable("no such table")))

    assert fault.code == 1
    assert "certline init" in fault.message


def test_a_broker_that_is_away_ends_with_6() -> None:
    assert told(ServerDownError("RabbitMQ at amqp://u:***@mq does not answer")).code == 6


@pytest.mark.parametrize("name", [*PLAIN, SEVERAL, DATABASE, BAD_URL])
def test_an_error_that_is_explained_by_name_is_the_class_of_that_name(name: str) -> None:
    module, _, own = name.rpartition(".")

    found = getattr(import_module(module), own)

    assert issubclass(found, Exception)
    assert (found.__module__, found.__qualname__) == (module, own)


def test_a_wrong_variable_is_named_and_its_value_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTLINE_POLL_SECONDS", "hunter2")
    with pytest.raises(InvalidSettingsError) as wrong:
        Settings()

    fault = told(wrong.value)

    assert fault.code == 2
    assert fault.problems[0].startswith("CERTLINE_POLL_SECONDS: ")
    assert "hunter2" not in fault.problems[0]


def test_a_name_of_several_certificates_lists_them() -> None:
    fault = told(SeveralCertificatesError("www.example.org", ["01A", "01B"]))

    assert (fault.code, fault.problems) == (2, ["01A", "01B"])


def test_a_fault_of_our_own_says_so_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code = report.tell(KeyError("line"), as_json=False)

    err = capsys.readouterr().err
    assert code == 1
    assert "internal error in certline: KeyError: 'line'" in err
    assert "CERTLINE_DEBUG=1" in err
    assert "Traceback" not in err


def test_a_fault_of_our_own_shows_where_it_is_on_demand_and_no_variables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opens(secret: str) -> None:
        raise KeyError(len(secret))

    monkeypatch.setenv("CERTLINE_DEBUG", "1")
    with pytest.raises(KeyError) as fault:
        opens(settings.__module__)
    report.tell(fault.value, as_json=False)

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert settings.__module__ not in err


def test_an_error_for_a_machine_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    code = report.tell(Fault("no", code=3, problems=["a", "b"]), as_json=True)

    error = json.loads(capsys.readouterr().out)["error"]
    assert code == 3
    assert error == {"message": "no", "problems": ["a", "b"], "exit_code": 3}
