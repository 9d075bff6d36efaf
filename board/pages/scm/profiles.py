"""Certificate profiles with their terms and key types, as last synced."""

from certline.board.pages.scm.catalogue import (
    ACCOUNT,
    NAME,
    NEVER,
    SYNC,
    account_choices,
    count_rows,
    keys_of,
    reader,
)
from certline.board.web import links
from certline.board.web.cells import Badge, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import choice
from certline.board.web.list_page import ListPage
from certline.models import Profile
from certline.models.accounts.catalogue_list import PROFILE_STATES
from certline.models.documents.catalogue import ProfileDocument

PROFILES = ListPage[ProfileDocument](
    path=links.PROFILES,
    title="Profiles",
    columns=[
        TableColumn("Id", lambda row: Code(str(row.id)), sort="id"),
        TableColumn(
            "Profile",
            lambda row: Name(row.name, links.profile(row.account_id, row.id)),
            sort="name",
        ),
        TableColumn("Status", lambda row: Badge(row.status)),
        TableColumn("Terms (days)", lambda row: ", ".join(map(str, row.terms))),
        TableColumn("Keys", lambda row: Name(keys_of(row.key_types)), minor=True),
        TableColumn("Account", lambda row: Name(row.account), minor=True),
        TableColumn("Synced", lambda row: Moment(row.synced_at), minor=True),
    ],
    read=reader(Profile, ProfileDocument),
    count=lambda db, wanted: count_rows(db, Profile, wanted),
    filters=[NAME, choice("status", "Status", PROFILE_STATES), ACCOUNT],
    sorts={"name": "Name", "id": "SCM's id"},
    choices=account_choices,
    empty=NEVER,
    commands=lambda _wanted: [Suggestion("The same list", typed("profile", "list")), SYNC],
)

ROUTES = [PROFILES.route()]
