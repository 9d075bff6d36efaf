"""Options for the kind of a key and of a keystore, the same wherever something is ordered."""

from collections.abc import Callable
from typing import Any

import click

# SCM offers these (SCM document: enrol); a profile may allow fewer.
ALGORITHMS = ("RSA", "EC")
SIZES = ("2048", "3072", "4096", "P-256", "P-384")
KEYSTORES = ("PKCS12", "JKS", "PEM")

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def key_options(algorithm: str, size: str) -> Decorator:
    """Return what adds `--key-algorithm` and `--key-size` to a command; the texts say what their defaults are."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        sized = _choice("--key-size", SIZES, f"Default: {size}.")(command)
        return _choice("--key-algorithm", ALGORITHMS, f"Default: {algorithm}.")(sized)

    return add


def keystore_option(text: str, **settings: Any) -> Decorator:
    """Return what adds `--keystore-type` to a command, with this help and click's further settings."""
    return _choice("--keystore-type", KEYSTORES, text, **settings)


def _choice(name: str, values: tuple[str, ...], text: str, **settings: Any) -> Decorator:
    kind = click.Choice(values, case_sensitive=False)
    return click.option(name, type=kind, metavar="|".join(values), help=text, **settings)
