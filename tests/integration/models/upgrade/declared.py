"""The contractions since the last release, each with the release from which on its parts cope with it.

A part of the last release works beside this version (docs/upgrading.md). So what it uses may be taken away only
once a release has been published that no longer uses it, and that release is named here. An entry is removed with
the next release, when its migration is no longer newer than the last one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Coping:
    """Why a contraction does no harm: since which release, at most the last one, and how."""

    since: str
    how: str


# By the number of the migration, and the sentence that the test says about it.
DECLARED: dict[tuple[str, str], Coping] = {
    ("0037", "rule command.command_commandtype_known has new values: dns_test"): Coping(
        "0.1.0",
        "no part writes it by itself: only `certline dns test`, which is new, and what is new is used last",
    ),
    ("0038", "rule command.command_commandtype_known has new values: validate"): Coping(
        "0.1.0",
        "no part writes it by itself before `certline domain auto-validate enable`, which is new, as is "
        "`certline domain validate`, and what is new is used last",
    ),
}
