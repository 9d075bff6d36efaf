"""`certline dns`: the providers that the proofs of domains go to."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.integration.dns_documents import DnsProviderDocument
from certline.cli.integration.dns_options import ProviderOptions
from certline.cli.parameters.number import Seconds, Whole
from certline.cli.parameters.text_file import TextFileType
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_provider
from certline.cli.ui.output import answer, facts, say, table, whisper
from certline.cli.waiting.wait import started
from certline.models.documents.projection import minute

if TYPE_CHECKING:
    from certline.models import DnsProvider

T = TypeVar("T")

# Settings by which a provider of each kind is told apart in a list.
PLACES = {"rfc2136": "server", "lexicon": "provider", "command": "command", "folder": "folder"}


@click.group(cls=Group)
def dns() -> None:
    """Where the proofs of domains go: name servers, DNS providers, programs, web servers' folders."""


@dns.command()
@click.argument("name")
@click.option(
    "--provider",
    required=True,
    metavar="P",
    help="rfc2136 (dynamic update of a name server), command (a program), folder (of a web server), manual (a "
    "person), or a provider of dns-lexicon, such as cloudflare or route53.",
)
@click.option(
    "--zones",
    required=True,
    multiple=True,
    metavar="ZONE,...",
    help="The names below which it may write. Repeatable, or separated by commas.",
)
@click.option("--server", metavar="HOST[:PORT]", help="rfc2136: the zone's primary name server.")
@click.option(
    "--option",
    multiple=True,
    metavar="NAME=VALUE",
    help="dns-lexicon: an option of the provider that is no secret. Repeatable.",
)
@click.option("--command", metavar="COMMAND", help="command: the program, and its arguments.")
@click.option(
    "--timeout",
    type=Whole(1, 600),
    metavar="SECONDS",
    help="command: how long it may run; default 60.",
)
@click.option(
    "--folder",
    metavar="PATH",
    help="folder: the web server's root on the workers' machines; {host} stands for the host.",
)
@click.option(
    "--ttl",
    type=Whole(1, 86_400),
    metavar="SECONDS",
    help="rfc2136, dns-lexicon: the TTL of the records; default 60, and 300.",
)
@click.option(
    "--credentials-file",
    type=TextFileType(),
    metavar="FILE",
    help="rfc2136: the TSIG key, [ALGORITHM:]NAME:SECRET or the key section of BIND or Knot. dns-lexicon: lines "
    "NAME=VALUE. Default: a prompt, or standard input.",
)
@click.option(
    "--resolver",
    multiple=True,
    metavar="IP[:PORT]",
    help="Resolver that names the zones' servers, and finds the host of a file's URL, in place of the system's. "
    "Repeatable.",
)
@click.option(
    "--nameserver",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Name server that is asked whether a record is there, in place of those in the zone's NS records. "
    "Repeatable.",
)
def add(name: str, *, provider: str, zones: tuple[str, ...], **given: Any) -> None:
    """Add a provider. Its credentials are stored encrypted, and never shown again. Exits 4 if it exists."""
    from certline.models.domains.provider import ProviderKind, providers, shared_zones
    from certline.producers.domains.providers import ProviderThereError, add_provider

    vault = context.vault()
    options = ProviderOptions(name, provider, **given)
    settings = options.settings()
    try:
        added = add_provider(
            context.database(),
            vault,
            name,
            ProviderKind(options.kind),
            # Names contain neither commas nor spaces, so both may separate them.
            [zone for text in zones for zone in text.replace(",", " ").split()],
            settings=settings,
            credentials=options.credentials(),
            who=context.person(),
        )
    except ProviderThereError as there:
        hint = f"To change it: certline dns remove {quote(name)}, then add it again"
        raise Fault(str(there), code=NOTHING, hint=hint) from None
    with context.database().transaction() as db:
        shared = shared_zones(providers(db), added)
    answer(DnsProviderDocument.of(added), lambda: _added(added))
    for (zone, record), names in shared.items():
        whisper(
            f"warning: {' and '.join(names)} have the zone {zone}. Its {'records' if record else 'files'} go to "
            f"{names[0]}, unless another is named with certline domain validate --dns"
        )


@dns.command("list")
def list_() -> None:
    """List the providers by name."""
    from certline.models.domains.provider import providers

    with context.database().transaction() as db:
        found = [DnsProviderDocument.of(row) for row in providers(db)]
    rows = [(each.name, each.kind, ", ".join(each.zones), _place(each)) for each in found]
    answer(
        found,
        lambda: table(
            ["provider", "kind", "zones", "writes by"],
            rows,
            empty="Proofs go nowhere by themselves yet. To add a provider: certline dns add --help",
        ),
    )


@dns.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one provider, without its credentials."""
    found = _read(name)
    answer(found, lambda: _show(found))


@dns.command()
@click.argument("name")
@click.option("--domain", metavar="DOMAIN", help="Write below this name, not the first zone.")
@click.option(
    "--timeout",
    type=Seconds(),
    default=150.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait at most this long for a worker, then exit 5.",
)
def test(name: str, *, domain: str | None, timeout: float) -> None:
    """Have a worker write a record, look for it at all name servers, and remove it.

    The record is the text _certline-test.ZONE; a folder gets a file of that name. Exits 1 if it cannot be written
    within 15 seconds, or is not seen within a minute; 4 for a provider that is a person.
    """
    from certline.producers.domains.providers import NothingToTestError, request_test

    def begin() -> Any:
        return request_test(context.database(), name, domain, who=context.person())

    try:
        command = _known(name, begin)
    except NothingToTestError as person:
        raise Fault(str(person), code=NOTHING) from None
    started([command], wait=True, timeout=timeout, heads=False)


@dns.command()
@click.argument("name")
@click.option(
    "--force",
    is_flag=True,
    help="Remove it even if validations use it: their proofs are left where they are.",
)
def remove(name: str, *, force: bool) -> None:
    """Remove a provider with its credentials. Records that it has written stay.

    Refused while validations use it, unless --force is given.
    """
    from certline.producers.domains.providers import ProviderInUseError, remove_provider

    found, database = _read(name), context.database()
    try:
        left = _known(
            name, lambda: remove_provider(database, name, who=context.person(), force=force)
        )
    except ProviderInUseError as used:
        raise Fault(
            f"{used}: it is not removed",
            hint="It can be removed once they have ended: certline domain list --under-way. With --force their "
            f"proofs are left where they are. To look at one: certline domain show {quote(used.domains[0])}",
        ) from None
    document = found.as_dict() | {"used_by": left}
    answer(document, lambda: say(f"provider {name} is removed, with its credentials"))
    if left:
        whisper(
            f"warning: {len(left)} validations use it: {', '.join(left)}. Until a provider of that name is added "
            "again, what it has put in place for them is left there, and what is missing a person has to make"
        )


def _read(name: str) -> DnsProviderDocument:
    with context.database().transaction() as db:
        return DnsProviderDocument.of(find_provider(db, name))


def _known(name: str, change: Callable[[], T]) -> T:
    from certline.producers.domains.providers import UnknownProviderError

    try:
        return change()
    except UnknownProviderError:
        with context.database().transaction() as db:
            find_provider(db, name)  # raises, with the names that are known
        raise


def _place(found: DnsProviderDocument) -> str:
    return str(found.settings.get(PLACES.get(found.kind, ""), "a person"))


def _added(added: DnsProvider) -> None:
    say(f"provider {added.name} is added: {added.kind}, below {', '.join(added.zones)}")
    if added.kind != "manual":
        whisper(f"To try it: certline dns test {quote(added.name)}")


def _show(found: DnsProviderDocument) -> None:
    settings = {
        name: [f"{key}={each}" for key, each in value.items()] if isinstance(value, dict) else value
        for name, value in found.settings.items()
        if value
    }
    facts(
        {
            "provider": found.name,
            "kind": found.kind,
            "zones": found.zones,
            **settings,
            "credentials": "stored, encrypted" if found.has_credentials else "none",
            "added by": found.requested_by,
            "added": minute(found.created_at),
        }
    )
