"""Warnings about several certificates: equal ones are printed once, with the names that they are about."""

from collections.abc import Iterable, Sequence

from certline.cli.ui.output import whisper

# Names that a summary lists; --json has the warnings of each certificate.
NAMED = 3


def tell_warnings(found: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Print warnings on standard error, given as (name of the certificate, its warnings).

    A warning that begins with the certificate's name is about that certificate, any other about what they share.
    """
    names: dict[str, list[str]] = {}
    for name, warnings in found:
        for warning in warnings:
            is_own = warning.startswith(f"{name}: ")
            about = names.setdefault(warning.removeprefix(f"{name}: "), [])
            if is_own and name not in about:
                about.append(name)
    for text, about in names.items():
        whisper(f"warning: {_subject(about)}{text}")


def _subject(names: Sequence[str]) -> str:
    if not names:
        return ""
    if len(names) == 1:
        return f"{names[0]}: "
    more = len(names) - NAMED
    listed = ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return f"{len(names):,} certificates ({listed}): "
