"""An operator's program that puts records in place and takes them away."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certline.workers.dns.proof import Proof
from certline.workers.dns.provider import DnsRefused, DnsTryLater
from certline.workers.dns.zone import closest
from certline.workers.programs.program import run_program
from certline.workers.programs.user import HookUserError, hook_user

ADD, REMOVE = "add", "remove"
# Seconds that a program may run.
TIMEOUT = 60
# What a program ends with if it may succeed later (EX_TEMPFAIL, sysexits.h).
TEMPORARY = 75


@dataclass(frozen=True)
class OperatorsProgram:
    """A provider that runs a program, without a shell, with the record in its environment."""

    words: tuple[str, ...]
    zones: tuple[str, ...]
    timeout: int = TIMEOUT
    user: str | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> OperatorsProgram:  # noqa: ARG003
        """Return the provider. Settings: `command`, `timeout` in seconds, `zones`; `user`: whom it runs as.

        Raises DnsRefused.
        """
        try:
            words = tuple(shlex.split(str(settings.get("command") or "")))
        except ValueError as error:
            raise DnsRefused(f"the setting `command` cannot be read: {error}") from None
        if not words:
            raise DnsRefused("the setting `command` is missing: the program that writes the record")
        timeout = int(settings.get("timeout") or TIMEOUT)
        return cls(words, tuple(settings.get("zones", ())), timeout, settings.get("user"))

    def publish(self, proof: Proof) -> None:
        """Run the program with CERTLINE_DNS_ACTION=add. See `Provider`."""
        self._run(ADD, proof)

    def withdraw(self, proof: Proof) -> None:
        """Run the program with CERTLINE_DNS_ACTION=remove. See `Provider`."""
        self._run(REMOVE, proof)

    def _run(self, action: str, proof: Proof) -> None:
        facts = {
            "CERTLINE_DNS_ACTION": action,
            "CERTLINE_DNS_NAME": proof.name,
            "CERTLINE_DNS_TYPE": proof.method.upper(),
            "CERTLINE_DNS_VALUE": proof.value,
            "CERTLINE_DNS_ZONE": closest(proof.host, self.zones) or "",
        }
        name = Path(self.words[0]).name
        try:
            user = hook_user(self.user)
            ran = run_program(
                self.words,
                facts,
                folder=Path("/"),
                timeout=self.timeout,
                user=user,
                # Another worker will go on, and must not meet a change of this one's.
                ends_with_us=True,
            )
        except HookUserError as error:
            raise DnsRefused(str(error)) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DnsRefused(
                f"the program {self.words[0]} could not be started: {why}. It has to be there and executable on "
                "every machine that runs workers"
            ) from None
        what = f"to {action} {proof.name}"
        match ran.exit_code:
            case 0:
                return
            case None:
                why = f"the program {name} did not finish within {self.timeout} s {what}, and was ended"
                raise DnsTryLater(why, ran.output)
            case code if code == TEMPORARY:
                raise DnsTryLater(
                    f"the program {name} says, {what}: try later (exit code 75)", ran.output
                )
            case code if code < 0:
                raise DnsTryLater(
                    f"the program {name} was ended by signal {-code} {what}", ran.output
                )
            case code:
                by_hand = "It printed nothing; run it by hand with the same environment to see why"
                raise DnsRefused(
                    f"the program {name} ended with exit code {code} {what}; 0 means done, 75 try later"
                    + ("" if ran.output else f". {by_hand}"),
                    ran.output,
                )
