"""Tests that a command loads what it works with, and nothing else."""

import pytest

from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.states import CommandType
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_certificate, an_order
from tests.support.loaded import heavy_ones, loaded_by

# Every module of ours that `certline order list` imports. A new one has to be needed for a list of orders.
OF_ORDER_LIST = """
cli cli.confirmation cli.context cli.deferral cli.errors cli.explain cli.main cli.orders cli.parameters
cli.report cli.streams cli.ui cli.waiting
cli.orders.cancel cli.orders.delete cli.orders.listing cli.orders.order cli.orders.resolve
cli.parameters.kinds cli.parameters.number cli.parameters.options cli.parameters.text_file
cli.ui.detail cli.ui.grammar cli.ui.grid cli.ui.import_progress cli.ui.layout
cli.ui.listing cli.ui.lookup cli.ui.output
cli.waiting.approval cli.waiting.deletion cli.waiting.outlook
cli.waiting.state cli.waiting.wait cli.waiting.watch
models models.accounts models.audit models.ciphers models.database models.documents models.environment
models.host_names models.listing models.names models.orders models.server_url models.settings
models.states models.validation
models.accounts.account
models.audit.identity
models.ciphers.place
models.database.base models.database.connection models.database.patterns models.database.relay_bell
models.database.secret_place
models.database.session
models.documents.audit models.documents.command models.documents.order
models.documents.projection models.documents.spreadsheet
models.environment.variable
models.orders.order models.orders.private_key
models.server models.server.identity
workers workers.process
workers.process.visible
"""


def test_the_list_of_orders_loads_exactly_these_modules_of_ours(typist: Typist) -> None:
    with typist.database.transaction() as db:
        an_order(db)

    names = loaded_by("order", "list")

    ours = {name.removeprefix("certline.") for name in names if name.startswith("certline.")}
    assert ours == set(OF_ORDER_LIST.split())
    assert heavy_ones(names) == []


@pytest.mark.parametrize(
    "words",
    [
        *("account list", "organization list", "domain list", "profile list"),
        *("order list --json", "order list --csv", "order show ORDER"),
        *("certificate list", "certificate show CERT", "command list", "command show COMMAND"),
        *("license show", "license show --json", "dead-letter list", "audit list", "renewal list"),
        *("hook list", "hook runs", "webhook list", "webhook deliveries", "sender list"),
        *("dns list", "dns list --json"),
        *("auto-renew show", "auto-renew audit", "approval show", "top", "top --json"),
    ],
)
def test_what_only_reads_loads_no_client_key_code_or_payload(typist: Typist, words: str) -> None:
    with typist.database.transaction() as db:
        order = an_order(db, scm_id=4711, status="stored")
        found = {"ORDER": order.id, "CERT": a_certificate(db, order).id}
        command, _ = accept(
            db,
            CommandType.POLL,
            {"order": order.id},
            subject=order.id,
            requested_by=Identity("os:anna"),
            source="cli",
        )
        found["COMMAND"] = command.id

    names = loaded_by(*(found.get(word, word) for word in words.split()))

    assert heavy_ones(names) == []
