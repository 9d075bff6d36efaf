"""The look: whether a proof is seen everywhere where the CA may look for it, by our own lookup.

A record is seen if every authoritative server of its zone that answers shows it, and at least half of them answer.
So one lame or silent server among others is named, but does not hold a validation up: a resolver goes on to
another one, as the CA's does.
"""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from certline.workers.dns.lookup.authority import LameServerError, NameServer, ask, servers_of
from certline.workers.dns.lookup.records import CNAME, TXT, Said, read
from certline.workers.dns.lookup.resolution import LookupFault, Resolution, TimeLeft
from certline.workers.dns.lookup.web_sight import look_at_file
from certline.workers.dns.proof import Method, Proof
from certline.workers.dns.provider import DnsRefused, DnsTryLater
from certline.workers.dns.zone import is_below, same_name

# Aliases from zone to zone that are followed.
MOST_HOPS = 8
# Servers asked at once.
AT_ONCE = 8
# Characters of a text that was found.
LONGEST = 120
# Texts at one name that are repeated.
MOST_TEXTS = 4


@dataclass(frozen=True)
class ProofSight:
    """Result of a look.

    `said`: what was expected, and what was found where. `ttl`: seconds for which a resolver may remember what was
    found, or that there was nothing; None where nobody said. `servers`: names of those that were asked.
    """

    seen: bool
    said: str
    ttl: int | None = None
    servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerSight:
    """What one server says. `words` says it to people; `answered` is False if it gave no answer of its own."""

    server: str
    shows: bool
    words: str
    ttl: int | None = None
    answered: bool = True


def look(proof: Proof, how: Resolution | None = None) -> ProofSight:
    """Look for a proof: a record at all authoritative servers of its zone, a file at its URL.

    Aliases (CNAME) are followed, also into other zones. Never raises: what goes wrong is said.
    """
    how = how or Resolution()
    if not proof.method.is_record:
        seen, said = look_at_file(proof, how)
        return ProofSight(seen, said)
    expected = f"{proof.method.upper()} {proof.value!r} at {proof.name}"
    try:
        findings = _Search(proof, how).at(proof.name)
    except LookupFault as fault:
        return ProofSight(False, f"expected {expected}; {fault}")
    seen = _agree(findings)
    ttls = [each.ttl for each in findings if each.ttl is not None and each.shows is seen]
    servers = tuple(each.server for each in findings)
    return ProofSight(seen, _text(expected, findings, seen), max(ttls, default=None), servers)


def destination(
    host: str, how: Resolution | None = None, *, value: str = "", zones: Sequence[str] = ()
) -> str:
    """Return where a record of a host has to be written: at the end of its aliases, or at the host itself.

    That is how a proof is delegated to another zone (ACME's clients call it an alias).
    `value`: an alias for it is the proof itself, and not followed. `zones`: if given, the last name on the way
    that lies in one of them is returned, so that an alias which leads to somebody else's zone is not followed
    there. Raises DnsRefused if the aliases go in a circle, and DnsTryLater if a name cannot be looked up.
    """
    how = how or Resolution()
    deadline = TimeLeft(how.within)
    path = [host.rstrip(".").lower()]
    try:
        while (target := _alias_of(path[-1], how, deadline)) is not None:
            if value and same_name(target, value):
                break
            if target in path:
                raise DnsRefused(_circle([*path, target]) + "; remove one of these records")
            path.append(target)
            if len(path) > MOST_HOPS:
                raise DnsRefused(f"more than {MOST_HOPS} aliases: {_arrows(path)}; shorten the way")
    except LookupFault as fault:
        if not any(is_below(path[-1], zone) for zone in zones):
            raise DnsTryLater(f"{_arrows(path)}: {fault}") from None
    if not zones:
        return path[-1]
    ours = [name for name in path if any(is_below(name, zone) for zone in zones)]
    return ours[-1] if ours else path[0]


class _Search:
    """One look for a record."""

    def __init__(self, proof: Proof, how: Resolution) -> None:
        self._proof = proof
        self._how = how
        self._deadline = TimeLeft(how.within)
        self._kind = CNAME if proof.method is Method.CNAME else TXT

    def at(self, name: str, path: tuple[str, ...] = ()) -> list[ServerSight]:
        """Return what each server of the name's zone says. Raises LookupFault."""
        path = (*path, name.rstrip(".").lower())
        servers = servers_of(name, self._how, self._deadline)
        with ThreadPoolExecutor(min(AT_ONCE, len(servers))) as pool:
            answers = list(pool.map(lambda server: self._asked(server, name), servers))
        beyond: dict[str, ServerSight] = {}
        found = []
        for server, said in zip(servers, answers, strict=True):
            if isinstance(said, str):
                found.append(ServerSight(server.name, False, said, answered=False))
                continue
            target = None if self._shown(said) or not said.links else said.links[-1].target
            if target is None:
                found.append(
                    ServerSight(server.name, self._shown(said), self._words(said), said.ttl)
                )
                continue
            if target not in beyond:
                names = (*path, *(link.target for link in said.links))
                beyond[target] = self._beyond(names)
            there = beyond[target]
            words = f"an alias for {target}, and there {there.words}"
            found.append(
                ServerSight(server.name, there.shows, words, _longest(said.ttl, there.ttl))
            )
        return found

    def _asked(self, server: NameServer, name: str) -> Said | str:
        """Return what a server says of a name, or why it says nothing."""
        try:
            return read(ask(server, name, self._kind, self._deadline), name)
        except LameServerError as fault:
            return str(fault)

    def _beyond(self, names: tuple[str, ...]) -> ServerSight:
        """Return what is at the end of aliases."""
        *path, target = names
        if target in path:
            return ServerSight(target, False, _circle(names))
        if len(path) > MOST_HOPS:
            return ServerSight(target, False, f"more than {MOST_HOPS} aliases: {_arrows(names)}")
        try:
            findings = self.at(target, tuple(path))
        except LookupFault as fault:
            return ServerSight(target, False, str(fault))
        seen = _agree(findings)
        ttls = [each.ttl for each in findings if each.ttl is not None and each.shows is seen]
        return ServerSight(target, seen, _where(findings, seen), max(ttls, default=None))

    def _shown(self, said: Said) -> bool:
        if self._kind is CNAME:
            return any(same_name(link.target, self._proof.value) for link in said.links)
        return self._proof.value in said.texts

    def _words(self, said: Said) -> str:
        if self._shown(said):
            return "it is there"
        if said.texts:
            more = f" and {len(said.texts) - MOST_TEXTS} more" * (len(said.texts) > MOST_TEXTS)
            return "TXT " + ", ".join(_cut(text) for text in said.texts[:MOST_TEXTS]) + more
        nothing = "no such name" if said.missing else f"no {self._proof.method.upper()} record"
        if said.ttl is None:
            return nothing
        return f"{nothing} (resolvers may remember that for {said.ttl} s)"


def _agree(findings: Sequence[ServerSight]) -> bool:
    answered = [each for each in findings if each.answered]
    return (
        bool(answered)
        and all(each.shows for each in answered)
        and 2 * len(answered) >= len(findings)
    )


def _text(expected: str, findings: Sequence[ServerSight], seen: bool) -> str:
    if seen:
        there = ", ".join(each.server for each in findings if each.shows)
        silent = [f"{each.server}: {each.words}" for each in findings if not each.answered]
        beside = f" (left aside: {'; '.join(silent)})" if silent else ""
        return f"{expected} is seen at {there}{beside}"
    return f"expected {expected}; found {_where(findings, seen)}"


def _where(findings: Sequence[ServerSight], seen: bool) -> str:
    """Return what was found, with the servers that say the same together."""
    if seen:
        return "it is there"
    by_words: dict[str, list[str]] = defaultdict(list)
    for each in findings:
        by_words[each.words].append(each.server)
    return "; ".join(f"{words} at {', '.join(servers)}" for words, servers in by_words.items())


def _alias_of(name: str, how: Resolution, deadline: TimeLeft) -> str | None:
    """Return what a name is an alias for, or None. Raises LookupFault if no server answers."""
    why = ""
    for server in servers_of(name, how, deadline):
        try:
            links = read(ask(server, name, CNAME, deadline), name).links
        except LameServerError as fault:
            why = f"{server.name}: {fault}"
            continue
        return links[0].target if links else None
    raise LookupFault(f"no name server of {name} answers; {why}")


def _circle(names: Sequence[str]) -> str:
    return f"the aliases go in a circle: {_arrows(names)}"


def _arrows(names: Sequence[str]) -> str:
    return " → ".join(names)


def _cut(text: str) -> str:
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def _longest(*ttls: int | None) -> int | None:
    return max((each for each in ttls if each is not None), default=None)
