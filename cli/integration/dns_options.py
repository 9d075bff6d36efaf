"""Options of `certline dns add`: which kind of provider is meant, its settings, and its credentials."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.options import password
from certline.cli.parameters.text_file import TextFile

KINDS = ("rfc2136", "command", "folder", "manual")
# Kind -> option of its own -> whether it is needed.
OWN: Mapping[str, Mapping[str, bool]] = {
    "rfc2136": {"server": True, "ttl": False, "credentials_file": False, "nameserver": False},
    "lexicon": {"option": False, "ttl": False, "credentials_file": False, "nameserver": False},
    "command": {"command": True, "timeout": False, "nameserver": False},
    "folder": {"folder": True},
    "manual": {"nameserver": False},
}
# Why an option does not go with a kind, where that is not plain.
REASONS = {
    (
        "folder",
        "nameserver",
    ): "a file is looked for at its URL, and no name server is asked for it. To name a "
    "resolver that knows the URL's host: --resolver"
}
# What the name of a setting looks like that belongs into the credentials.
SECRET = re.compile(r"auth|key|secret|token|pass|psw", re.IGNORECASE)
NAME_VALUE = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(.*?)\s*")


@dataclass(frozen=True)
class ProviderOptions:
    """The options as the user gave them."""

    name: str
    provider: str
    server: str | None = None
    option: tuple[str, ...] = ()
    command: str | None = None
    timeout: int | None = None
    folder: str | None = None
    ttl: int | None = None
    credentials_file: TextFile | None = None
    resolver: tuple[str, ...] = ()
    nameserver: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of provider; every other name is one of dns-lexicon's."""
        return self.provider if self.provider in KINDS else "lexicon"

    def settings(self) -> dict[str, Any]:
        """Return the settings that are stored. Raises Fault for options that do not fit together."""
        own = OWN[self.kind]
        every = {name for options in OWN.values() for name in options}
        for name in sorted(every):
            given = getattr(self, name) not in (None, ())
            if given and name not in own:
                raise Fault(
                    f"{_flag(name)} does not go with --provider {self.provider}",
                    code=WRONG_USE,
                    hint=REASONS.get((self.kind, name), ""),
                )
            if not given and own.get(name):
                raise Fault(f"--provider {self.provider} needs {_flag(name)}", code=WRONG_USE)
        found: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("server", "command", "timeout", "folder", "ttl")
            if getattr(self, name) is not None
        }
        if self.kind == "lexicon":
            found |= {"provider": self._lexicon_name(), "options": self._public_options()}
        for key, values in (("resolvers", self.resolver), ("nameservers", self.nameserver)):
            if values:
                found[key] = [each for text in values for each in text.replace(",", " ").split()]
        return found

    def credentials(self) -> dict[str, str]:
        """Return the credentials, from the file, standard input or prompts. Raises Fault."""
        if self.kind == "rfc2136":
            return self._tsig_key()
        return self._of_lexicon() if self.kind == "lexicon" else {}

    def _lexicon_name(self) -> str:
        from certline.workers.dns.lexicon import provider_names

        plain, known = self.provider.removeprefix("lexicon:"), provider_names()
        if plain not in known:
            hint = (
                f"It is one of {', '.join(KINDS)}, or a name of dns-lexicon's: {', '.join(known)}"
            )
            raise Fault(f"--provider: {plain!r} is not known", code=WRONG_USE, hint=hint)
        return plain

    def _public_options(self) -> dict[str, str]:
        found = _pairs(self.option, "--option")
        for name in found:
            if SECRET.search(name):
                raise Fault(
                    f"--option {name}: this looks like a secret, which other users of this machine could read; "
                    f"write {name}=… into the credentials file",
                    code=WRONG_USE,
                )
        return found

    def _tsig_key(self) -> dict[str, str]:
        from certline.workers.dns.tsig_key import BadKeyError, parse_tsig_key

        file = self.credentials_file
        prompt = f"TSIG key for {self.name}, [ALGORITHM:]NAME:SECRET"
        if file is None and not sys.stdin.isatty():
            file = TextFile("-", "the TSIG key on standard input")
        text = password(None, prompt) if file is None else file.text()
        try:
            return parse_tsig_key(text)
        except BadKeyError as bad:
            raise Fault(f"the TSIG key cannot be used: {bad}", code=WRONG_USE) from None

    def _of_lexicon(self) -> dict[str, str]:
        from certline.workers.dns import DnsError
        from certline.workers.dns.lexicon import options_of

        provider, file = self._lexicon_name(), self.credentials_file
        try:
            known = options_of(provider)
        except DnsError as refusal:
            raise Fault(str(refusal)) from None
        secret = [name for name in known if SECRET.search(name)]
        if file is None and not sys.stdin.isatty():
            file = TextFile("-", "the credentials on standard input")
        if file is None:
            typed = {name: _asked(f"{name} of {provider} (empty: none)") for name in secret}
            found = {name: value for name, value in typed.items() if value}
        else:
            lines = [
                line for line in file.lines() if line.strip() and not line.lstrip().startswith("#")
            ]
            found = _pairs(lines, file.option)
        unknown = sorted({*found, *_pairs(self.option, "--option")} - {*known, "domain"})
        if unknown:
            known_text = ", ".join(known)
            raise Fault(
                f"{provider} has no option {unknown[0]!r}; it has {known_text}", code=WRONG_USE
            )
        if secret and not found:
            raise Fault(
                f"{provider} needs credentials, in lines NAME=VALUE; it takes {', '.join(secret)}",
                code=WRONG_USE,
            )
        return found


def _asked(prompt: str) -> str:
    return str(click.prompt(prompt, hide_input=True, err=True, default="", show_default=False))


def _pairs(texts: Iterable[str], where: str) -> dict[str, str]:
    """Return NAME=VALUE texts as a dictionary, with `_` in the names. Raises Fault, which repeats no value."""
    found = {}
    for number, text in enumerate(texts, 1):
        pair = NAME_VALUE.fullmatch(text)
        if pair is None:
            raise Fault(f"{where}: line {number} is not NAME=VALUE", code=WRONG_USE)
        found[pair[1].replace("-", "_")] = pair[2]
    return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
