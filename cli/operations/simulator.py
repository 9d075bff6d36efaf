"""`certline simulator`: the simulator of SCM on this machine."""

from functools import partial
from shlex import quote

import click

from certline.cli.errors import Fault
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, say
from certline.simulator.settings import HOST, PORT


@click.command(cls=CliCommand)
@click.option("--host", default=HOST, show_default=True, metavar="H", help="Address to listen on.")
@click.option(
    "--port",
    type=Whole(0, 65_535),
    default=PORT,
    show_default=True,
    metavar="P",
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--seed-orders",
    type=Whole(),
    default=0,
    show_default=True,
    metavar="N",
    help="How many orders it holds from the start.",
)
@click.option(
    "--latency-ms",
    type=Whole(),
    default=0,
    show_default=True,
    metavar="N",
    help="Delay of every response, in milliseconds.",
)
@click.option(
    "--issue-after-ms",
    type=Whole(),
    default=1000,
    show_default=True,
    metavar="N",
    help="Time from the approval of an order to its issuance, in milliseconds.",
)
@click.option(
    "--door-host",
    "door_hosts",
    multiple=True,
    metavar="NAME",
    help="A further name by which the control door may be called; repeatable.",
)
@click.option(
    "--dcv-resolver",
    default="",
    metavar="HOST:PORT",
    help="The CA looks for proofs of domains, at this DNS server.",
)
@click.option(
    "--dcv-http",
    default="",
    metavar="HOST:PORT",
    help="The CA looks for proofs of domains, at this web server.",
)
@click.option("--no-auto-approve", is_flag=True, help="Orders wait for an approval.")
def simulator(
    host: str,
    port: int,
    seed_orders: int,
    latency_ms: int,
    issue_after_ms: int,
    *,
    dcv_resolver: str,
    dcv_http: str,
    door_hosts: tuple[str, ...],
    no_auto_approve: bool,
) -> None:
    """Run a simulator of SCM, with its own CA, until Ctrl-C. Its state is kept in memory only."""
    from certline.simulator.server import serve

    for option, name in (("--host", host), *(("--door-host", name) for name in door_hosts)):
        try:
            fits = bool(name.strip().encode("idna"))
        except UnicodeError:
            fits = False
        if not fits:
            raise click.UsageError(f"{option}: {name!r} is not a host name or an address")
    try:
        serve(
            host,
            port,
            seed_orders=seed_orders,
            latency_ms=latency_ms,
            issue_after_ms=issue_after_ms,
            auto_approve=not no_auto_approve,
            dcv_resolver=dcv_resolver,
            dcv_http=dcv_http,
            door_hosts=door_hosts,
            announce=announce,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise Fault(f"the simulator cannot listen on {host}:{port}: {error.strerror}") from None


def announce(url: str) -> None:
    """Print the simulator's address, and how to add an account for it."""
    door = url.removesuffix("/api") + "/_sim"
    document = {"url": url, "door": door, "customer_uri": "demo", "login": "admin"}
    answer(document, partial(_announce, url, door))


def _announce(url: str, door: str) -> None:
    say(f"SCM is simulated at {url}; its control door is {door}. Ctrl-C stops it.")
    say("In another terminal, with the password `secret`:")
    say(f"  certline account add demo --url {quote(url)} --customer-uri demo --login admin")
