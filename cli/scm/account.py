"""`certline account`: accounts, which are logins at SCM."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.text_file import TextFile, TextFileType
from certline.cli.scm.account_removal import remove
from certline.cli.scm.login_check import (
    ask_scm,
    say_sync,
    say_what_is_missing,
    seen,
    sync_of,
    told,
)
from certline.cli.scm.login_options import (
    Given,
    insecure_option,
    kept_as,
    login_options,
    pair_options,
    renewed,
    require_encryption,
    secret_of,
)
from certline.cli.ui import detail
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_account
from certline.cli.ui.output import answer, say, table
from certline.models.documents.account import AccountDocument
from certline.models.documents.projection import minute

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Account, Command
    from certline.workers.account_check import Examined


@click.group(cls=Group)
def account() -> None:
    """Accounts: logins at SCM of MRAO or RAO administrators of the type API."""


@account.command()
@click.argument("name")
@click.option(
    "--url",
    required=True,
    metavar="URL",
    help="SCM's address, such as https://cert-manager.com/api.",
)
@login_options
@insecure_option
@click.option("--no-verify", is_flag=True, help="Save it without trying it at SCM.")
@click.option(
    "--force", is_flag=True, help="Add it even if another account is of the same customer."
)
def add(name: str, *, no_verify: bool, force: bool, insecure: bool, **options: Any) -> None:
    """Save a login after SCM has accepted it, and report what it lacks. No command shows its secret.

    A password (--customer-uri, --login), a client certificate (both of these, and --client-certificate,
    --client-key), or an API key for OAuth2 (--client-id). Organisations, domains and profiles are then read
    in the background. Adding a removed account restores it.
    """
    from certline.models.accounts.account import account_named
    from certline.producers.requests.account_link import (
        add_account,
        first_sync,
        require_same_customer,
    )
    from certline.workers.account_check import Examined
    from certline.workers.scm import ScmError

    if not name.isprintable() or not name.strip() or name != name.strip():
        raise Fault("NAME must not be empty, nor begin or end with a space", code=WRONG_USE)
    if not insecure:
        require_encryption(options["url"], options["token_url"])
    vault = context.vault()
    with context.database().transaction() as db:
        if account_named(db, name) is not None:
            raise Fault(
                f"account {name!r} already exists",
                hint=f"To change its password: certline account verify {quote(name)} --new-password",
            )
    given = Given(**options).read()
    kept = kept_as(given)
    with context.database().transaction() as db:
        # A removed account keeps its orders, so its name may only return for the same customer at
        # SCM.
        gone = account_named(db, name, removed=True)
        if gone is not None:
            require_same_customer(gone, kept["url"], kept["customer_uri"])
        if not force:
            _refuse_twice(db, name, kept)
    # No transaction is open during the call: SCM may take seconds to respond.
    examined = Examined()
    if not no_verify:
        try:
            examined = ask_scm(given)
        except ScmError as error:
            raise told(error, given, "Nothing was saved.") from None
    with context.database().transaction() as db:
        if not force:  # again, since another process may have added one meanwhile
            _refuse_twice(db, name, kept)
        who = context.person()
        secret = secret_of(given)
        fresh = add_account(
            db,
            vault,
            name,
            kept,
            secret,
            verified=not no_verify,
            who=who,
            examined=None if no_verify else examined.as_record(),
        )
        # A login that was not tried is not used by itself: SCM counts failed logins.
        sync = None if no_verify else first_sync(db, fresh, who=who)
    answer(
        AccountDocument.of(fresh).as_dict() | seen(examined) | sync_of(sync),
        lambda: _added(fresh, examined, sync),
    )


def _refuse_twice(db: Session, name: str, kept: dict[str, Any]) -> None:
    from certline.models.validation import BadCommandError
    from certline.producers.requests.account_link import require_other_customer

    try:
        require_other_customer(db, name, kept)
    except BadCommandError as same:
        raise Fault(
            f"{'; '.join(same.problems)}. Nothing was saved.",
            hint="To add it nevertheless, such as a login for other departments: --force",
        ) from None


def _added(fresh: Account, examined: Examined, sync: Command | None) -> None:
    say(
        f"Account {fresh.name} is saved{'' if fresh.verified_at else ', but was not tried at SCM'}."
    )
    say_what_is_missing(examined)
    if sync is None:
        say(f"Next, try it at SCM: certline account verify {quote(fresh.name)}")
    else:
        say_sync(sync)


@account.command("list")
@click.option("--all", "every", is_flag=True, help="Also removed accounts.")
def list_(*, every: bool) -> None:
    """List accounts by name."""
    from certline.models.accounts.account import accounts

    with context.database().transaction() as db:
        found = [AccountDocument.of(row) for row in accounts(db, removed=every)]
    rows = [(row.name, row.status, row.login, row.url, minute(row.synced_at)) for row in found]
    answer(
        found,
        lambda: table(
            ["account", "status", "login", "SCM", "synced (UTC)"],
            rows,
            empty="There is no account yet. To add one: certline account add --help",
        ),
    )


@account.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one account, without its secret."""
    with context.database().transaction() as db:
        found = AccountDocument.of(find_account(db, name, removed=True))
    answer(found, lambda: detail.account(found))


@account.command()
@click.argument("name")
@click.option(
    "--new-password", is_flag=True, help="Prompt for a new secret, and save it if it works."
)
@click.option(
    "--password-file",
    type=TextFileType(),
    metavar="FILE",
    help="File whose first line is a new password or API key's secret, saved if it works.",
)
@pair_options
@insecure_option
def verify(
    name: str,
    password_file: TextFile | None,
    client_certificate: Path | None,
    client_key: Path | None,
    *,
    new_password: bool,
    insecure: bool,
) -> None:
    """Try a login at SCM and report what it lacks. If SCM accepts it, a suspension is lifted."""
    from certline.models import AccountStatus
    from certline.models.accounts.suspension import suspend
    from certline.producers.requests.account_link import first_sync
    from certline.producers.requests.accounts import change_secret, lift_suspension, record_verified
    from certline.workers.runtime.context import login_of
    from certline.workers.scm import LoginRefused, ScmError

    with context.database().transaction() as db:
        found = find_account(db, name)
    vault = context.vault()
    pair = (client_certificate, client_key)
    other = new_password or password_file is not None or pair != (None, None)
    if other and not insecure:
        # The stored secret goes on as it was added; a new one is not given away unasked.
        require_encryption(found.url, found.token_url)
    # With a new secret, the stored one need not be readable: that may be why there is a new one.
    login = renewed(found, password_file, pair) if other else login_of(found, vault)
    try:
        examined = ask_scm(login)
    except ScmError as error:
        outcome = "Nothing was saved." if other else "Nothing has changed."
        # Only a refusal of the stored login suspends the account; a refused new secret says nothing
        # about it.
        if isinstance(error, LoginRefused) and not other:
            with context.database().transaction() as db:
                suspend(db, _locked(db, name), str(error))
            outcome = f"Account {name!r} is suspended: certline makes no more calls for it."
        raise told(error, login, outcome) from None
    with context.database().transaction() as db:
        row = _locked(db, name)
        record_verified(db, row, examined.as_record())
        if other:
            secret, certificate = secret_of(login), kept_as(login)["client_certificate"]
            change_secret(db, vault, row, secret, certificate, who=context.person())
        woken = None
        if row.status is AccountStatus.SUSPENDED:
            woken = lift_suspension(db, row, who=context.person())
        # An account that was saved untried, or was suspended before its first sync had ended.
        sync = first_sync(db, row, who=context.person())
    answer(
        AccountDocument.of(row).as_dict() | seen(examined) | sync_of(sync),
        lambda: _verified(row, examined, woken, sync),
    )


def _verified(row: Account, examined: Examined, woken: int | None, sync: Command | None) -> None:
    say(f"SCM accepts the login of account {row.name}.")
    say_what_is_missing(examined)
    if woken is not None:
        say(f"The suspension is lifted; {woken} waiting commands go on.")
    if sync is not None:
        say_sync(sync)


account.add_command(remove)


def _locked(db: Session, name: str) -> Account:
    from certline.models import Account

    return db.get_one(Account, find_account(db, name).id, with_for_update=True)
