"""The menu: its groups and entries, each with the key that leads to it after `g`."""

from collections.abc import Collection
from typing import NamedTuple

from certline.board.web import links


class MenuEntry(NamedTuple):
    """MenuEntry of the menu."""

    label: str
    url: str
    key: str


MENU: tuple[tuple[str, tuple[MenuEntry, ...]], ...] = (
    (
        "The line",
        (MenuEntry("Today", links.TODAY, "t"), MenuEntry("Calendar", links.CALENDAR, "k")),
    ),
    (
        "Estate",
        (
            MenuEntry("Orders", links.ORDERS, "o"),
            MenuEntry("Certificates", links.CERTIFICATES, "c"),
            MenuEntry("Renewals", links.RENEWALS, "r"),
            MenuEntry("Commands", links.COMMANDS, "m"),
        ),
    ),
    (
        "At SCM",
        (
            MenuEntry("Organisations", links.ORGANIZATIONS, "n"),
            MenuEntry("Domains", links.DOMAINS, "d"),
            MenuEntry("Profiles", links.PROFILES, "p"),
            MenuEntry("Account", links.ACCOUNTS, "a"),
        ),
    ),
    (
        "Operations",
        (
            MenuEntry("Hooks and webhooks", links.HOOKS, "h"),
            MenuEntry("Dead letters", links.DEAD_LETTERS, "l"),
            MenuEntry("Schedules", links.SCHEDULES, "s"),
            MenuEntry("Audit log", links.AUDIT, "u"),
        ),
    ),
)


def menu(paths: Collection[str]) -> list[tuple[str, list[MenuEntry]]]:
    """Return the groups with the entries whose pages there are."""
    groups = [(name, [entry for entry in entries if entry.url in paths]) for name, entries in MENU]
    return [(name, entries) for name, entries in groups if entries]
