"""Search of everything that a test made visible for the secrets it used."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from psycopg import sql
from psycopg.rows import tuple_row

from certline.models import Database
from certline.models.key_rotation import TOKEN
from certline.models.vault import NoSecretKeyError, Vault, WrongSecretKeyError
from tests.servers import session
from tests.support.sealed_rows import stored_secrets

# SCM's password in every acceptance test: a word that occurs nowhere else.
PASSWORD = "Tiefwasserkai-7301"
# Passwords that tests give, or send where they don't belong.
PLANTED = ("Nordmole-4410-gegeben", "Suedmole-4411-gegeben", "Ostmole-4412-im-Klartext")
# Text that marks a private key, in any PEM form.
MARKS = ("PRIVATE KEY",)
# Length in bytes of a run of a key's secret number that occurs nowhere else by chance.
PIECE = 12


class Watch:
    """Collector of one test's secrets and of the output of its processes, its logs and tables."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self.secrets: dict[str, str] = dict.fromkeys((PASSWORD, *PLANTED), "planted")
        self._keys: set[str] = set()
        self._sizes = {path: path.stat().st_size for path in _logs()}

    def hear(self, words: list[str], done: "subprocess.CompletedProcess[Any]") -> None:
        """Record a process's output, unless the command is meant to print a secret."""
        if not _asks_for_a_secret(words):
            name = f"{len(self.said)} {' '.join(words[-8:])}"
            self.said[name] = f"{_text(done.stdout)}\n{_text(done.stderr)}"

    def learn(self, variables: Mapping[str, str]) -> None:
        """Record the secret keys of a process."""
        self._keys |= {key for key in variables.get("CERTLINE_SECRET_KEY", "").split(",") if key}

    def add(self, secret: str, what: str) -> None:
        """Record a text that must not be visible."""
        self.secrets[secret] = what

    def leaks(self, database_url: str | None) -> list[str]:
        """Return every secret that is visible, and where."""
        columns = {} if database_url is None else dict(_columns(database_url))
        for sealed in columns.values():
            self._open(sealed)
        if database_url is not None:
            self._open_rows(database_url)
        for key in self._keys:
            self.add(key, "a secret key of the line")
        seen = {**self.said, **self._logged(), **{name: _seen(v) for name, v in columns.items()}}
        return [
            f"{what} is in {place}"
            for place, text in seen.items()
            for secret, what in [*self.secrets.items(), *((mark, "a key's mark") for mark in MARKS)]
            if secret in text
        ]

    def _open(self, values: list[Any]) -> None:
        """Record the secrets sealed in a column, tried with every key that any process had."""
        for value in values:
            for token in TOKEN.findall(_raw(value)):
                for key in self._keys:
                    with suppress(WrongSecretKeyError, NoSecretKeyError):
                        self._learn_secret(Vault(key).open_token(token)[1])

    def _open_rows(self, url: str) -> None:
        """Record the secrets that are bound to their rows."""
        database = Database(url, pool_size=1)
        with database.transaction() as db:
            for _, sealed, place in stored_secrets(db):
                for key in self._keys:
                    with suppress(WrongSecretKeyError, NoSecretKeyError):
                        self._learn_secret(Vault(key).open(sealed, place))
        database.close()

    def _learn_secret(self, secret: bytes) -> None:
        text = secret.decode("utf-8", "replace")
        if "PRIVATE KEY" in text:
            for piece in _pieces_of_a_key(secret):
                self.add(piece, "a private key")
        elif len(text) >= 8 and not text.startswith("{"):  # a stored message is not a secret itself
            self.add(text, "a password")

    def _logged(self) -> dict[str, str]:
        """Return what processes and servers have logged since the test began."""
        found = {}
        for path in _logs():
            with path.open("rb") as file:
                file.seek(self._sizes.get(path, 0))
                found[path.name] = file.read().decode("utf-8", "replace")
        return found


def hearing(watch: Watch, run_it: Callable[..., Any]) -> Callable[..., Any]:
    """Return `subprocess.run` wrapped so that the watch records its output."""

    def heard(words: Any, **options: Any) -> Any:
        watch.learn(options.get("env") or os.environ)
        done = run_it(words, **options)
        watch.hear([str(word) for word in words], done)
        return done

    return heard


def _pieces_of_a_key(pem: bytes) -> Iterator[str]:
    """Yield texts that give a key away: its secret numbers in hex, and each PEM line holding a piece of one. The
    rest of the file is the public key, which may be seen.
    """
    numbers = load_pem_private_key(pem, None).private_numbers()  # type: ignore[union-attr]  # RSA or EC
    secrets = [
        value.to_bytes((value.bit_length() + 7) // 8)
        for name in ("private_value", "d", "p", "q")
        if (value := getattr(numbers, name, 0))
    ]
    yield from (secret.hex() for secret in secrets)
    curve = getattr(getattr(numbers, "public_numbers", None), "curve", None)
    if curve is not None:  # DER has it in the curve's length, with the zeros before it (RFC 5915)
        secrets = [secret.rjust((curve.key_size + 7) // 8, b"\0") for secret in secrets]
    pieces = {
        secret[start : start + PIECE] for secret in secrets for start in range(len(secret) - PIECE)
    }
    for line in pem.decode().splitlines():
        if not line.startswith("-"):
            raw = base64.b64decode(line)
            if any(raw[start : start + PIECE] in pieces for start in range(len(raw) - PIECE + 1)):
                yield line


def _asks_for_a_secret(words: list[str]) -> bool:
    asked = " ".join(words)
    to_output = re.search(r"--output[= ]-( |$)", asked)
    return "certificate password" in asked or bool(to_output)


def _logs() -> list[Path]:
    return sorted(session.folder().rglob("*.log"))


def _columns(url: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield every column of every table with its values."""
    with psycopg.connect(url, row_factory=tuple_row) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            names = [column.name for column in rows.description or ()]
            for name, *values in zip(names, *rows.fetchall(), strict=True):
                yield f"{table}.{name}", values


def _seen(values: list[Any]) -> str:
    """Return a column's values as text: bytes both decoded and as Postgres writes them."""
    raw = [value if isinstance(value, bytes) else None for value in values]
    shown = [each.decode("utf-8", "replace") + each.hex() for each in raw if each is not None]
    texts = [value for value in values if isinstance(value, str)]
    return "\n".join([*shown, *texts, json.dumps(values, default=str, ensure_ascii=False)])


def _raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


def _text(said: str | bytes | None) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said or ""
