"""Deploy hooks with their runs. The list also has the webhooks, as both tell others of certificates."""

from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, grid_of, shown, thing
from certline.board.pages.operations.commands import STATUS, newest
from certline.board.pages.operations.webhooks import webhook_grid
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted, choice, search, wanted_of
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import Hook
from certline.models.accounts.account import accounts_shown
from certline.models.certificates.deploy_hook import hook_named
from certline.models.certificates.deploy_hook import hooks as all_hooks
from certline.models.documents.hook import HookDocument, HookRunDocument
from certline.models.public.command import public_hook_runs
from certline.models.public.webhook import public_webhooks

# Runs that are shown on a hook's page.
MOST = 100
ADD = Suggestion("Add a deploy hook", typed("hook", "add", "--help"))
RETRY = Suggestion(
    "Retry each run that has failed and still matters", typed("hook", "retry", "--all")
)


def hooks(asked: PageRequest) -> View:
    """Return the list of deploy hooks and webhooks."""
    names = {row.id: row.name for row in accounts_shown(asked.db)}
    found = all_hooks(asked.db)
    cells: list[list[Cell]] = [
        [
            Name(row.name, links.hook(row.name)),
            ", ".join(_events(row)),
            shown(row.common_name or "all"),
            "all" if row.account_id is None else Name(names[row.account_id]),
            Code(row.command),
            Code(row.directory),
            Link("Runs", links.narrowed(links.HOOK_RUNS, hook=row.name)),
        ]
        for row in found
    ]
    heads = ["Hook", "On", "Names", "Account", "Command", "Directory", "Runs"]
    return thing(
        "Hooks and webhooks",
        "",
        [
            Grid(
                "Deploy hooks",
                heads,
                cells,
                "There are no deploy hooks: files are deployed by nobody but you.",
                links.HOOK_RUNS if found else None,
                "All runs",
                [ADD],
            ),
            webhook_grid(public_webhooks(asked.db)),
        ],
        [HookDocument.of(row, names).as_dict() for row in found],
        commands=[ADD, RETRY],
    )


def hook(asked: PageRequest) -> View:
    """Return the page of one deploy hook, with its runs."""
    row = hook_named(asked.db, asked.given("name"))
    if row is None:
        raise UnknownThingError("There is no such deploy hook.", typed("hook", "list"))
    names = {each.id: each.name for each in accounts_shown(asked.db)}
    wanted = wanted_of(asked.request.query_params, [], [])
    found = newest(asked.db, public_hook_runs(hook=row.name), wanted.after, MOST)
    runs = [HookRunDocument.of(each) for each in found]
    facts: list[tuple[str, Cell]] = [
        ("On", ", ".join(_events(row))),
        ("Names", shown(row.common_name or "all")),
        ("Account", "all" if row.account_id is None else Name(names[row.account_id])),
        ("Command", Code(row.command)),
        ("Directory", Code(row.directory)),
        ("Time limit", f"{row.timeout} s"),
        ("Added by", shown(row.created_by)),
        ("Added", Moment(row.created_at)),
    ]
    more = None
    if len(runs) >= MOST:
        more = links.narrowed(links.hook(row.name), after=runs[-1].id)
    return thing(
        row.name,
        "Deploy hook",
        [
            FactList(facts),
            grid_of(
                "Runs",
                RUN_COLUMNS,
                runs,
                empty="It has not run yet: it runs for each certificate that is stored from now on.",
                more_url=more,
                more="Older runs",
            ),
        ],
        HookDocument.of(row, names).as_dict(),
        commands=[
            Suggestion("Run it for a stored certificate", typed("hook", "run", row.name, "CERT")),
            Suggestion("Its runs", typed("hook", "runs", "--hook", row.name)),
            Suggestion("Remove it", typed("hook", "remove", row.name)),
        ],
        above=[Link("Hooks and webhooks", links.HOOKS)],
    )


def read_runs(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[HookRunDocument]:
    """Load a page of runs, the newest first."""
    asked = public_hook_runs(
        hook=wanted["hook"],
        statuses=wanted["status"] or (),
        failed=wanted["failed"] is not None,
    )
    found = newest(db, asked, after, limit)
    return Rows([HookRunDocument.of(row) for row in found], [row.id for row in found])


def _events(row: Hook) -> list[str]:
    return [event.removeprefix("certificate.") for event in row.events]


RUN_COLUMNS = [
    TableColumn[HookRunDocument]("Run", lambda row: Code(row.id, links.command(row.id))),
    TableColumn[HookRunDocument]("Hook", lambda row: Name(row.hook, links.hook(row.hook))),
    TableColumn[HookRunDocument]("Status", lambda row: Badge(row.status.value)),
    TableColumn[HookRunDocument](
        "Common name", lambda row: Name(row.common_name, links.certificate(row.certificate_id))
    ),
    TableColumn[HookRunDocument]("Tries", lambda row: row.attempts, minor=True),
    TableColumn[HookRunDocument]("Requested", lambda row: Moment(row.created_at)),
    TableColumn[HookRunDocument]("Ended", lambda row: Moment(row.finished_at), minor=True),
    TableColumn[HookRunDocument]("Error", lambda row: Name(row.error)),
]

RUNS = ListPage[HookRunDocument](
    path=links.HOOK_RUNS,
    title="Runs of deploy hooks",
    columns=RUN_COLUMNS,
    read=read_runs,
    filters=[
        search("hook", "Hook", hint="Its name"),
        STATUS,
        choice("failed", "Last try", ["failed"]),
    ],
    empty=Empty("No deploy hook has run yet.", [ADD]),
    commands=lambda _wanted: [Suggestion("The same list", typed("hook", "runs")), RETRY],
)

ROUTES = [
    Page(links.HOOKS, hooks).route(),
    RUNS.route(),
    Page(f"{links.HOOKS}/{{name}}", hook).route(),
]
