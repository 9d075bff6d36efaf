"""CLI tests of senders: adding, changing and removing them, and the warning of the doctor."""

from sqlalchemy import select

from certline.models import Command, CommandType, Sender, SenderKind
from certline.models.audit.identity import Identity
from certline.models.audit.log import history
from certline.models.commands.command import accept
from certline.models.commands.kinds import PUBLIC
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_sender, an_account, an_organization

ADD = ("sender", "add", "shop", "--amqp-user", "shop.prod")


def a_legacy(typist: Typist) -> None:
    """Add the sender that an update makes."""
    with typist.database.transaction() as db:
        a_sender(db, name="legacy", amqp_user=None, kind=SenderKind.LEGACY)


def from_outside(typist: Typist, user: str, source: str) -> str:
    """Record a command of the time before senders. Returns its id."""
    with typist.database.transaction() as db:
        command, _ = accept(
            db,
            CommandType.SYNC,
            {},
            requested_by=Identity(user),
            source=source,
            sender="legacy",
        )
    return command.id


def test_a_new_sender_may_do_little_and_only_with_its_own(typist: Typist) -> None:
    added = typist.json(*ADD)
    said = typist.types("sender", "show", "shop") + typist.types("sender", "list")

    assert added.pop("created_at")
    assert added.pop("added_by").startswith("os:")
    assert added == {
        "name": "shop",
        "kind": "user",
        "amqp_user": "shop.prod",
        "commands": ["order", "renew", "reissue", "poll", "cancel"],
        "accounts": [],
        "organizations": [],
        "names": [],
        "own_only": True,
        "adopted": 0,
    }
    assert "RabbitMQ user shop.prod" in said
    assert "its own" in said
    with typist.database.transaction() as db:
        [entry] = history(db, "shop")
    assert (entry.type, entry.data["amqp_user"]) == ("sender.added", "shop.prod")


def test_who_is_added_is_told_how_to_limit_what_he_hears(typist: Typist) -> None:
    said = typist.types(*ADD)

    assert (
        r"rabbitmqctl set_topic_permissions shop.prod certline.events '^$' '^sender\.shop\.'"
        in said
    )


def test_limits_are_given_changed_and_lifted(typist: Typist) -> None:
    with typist.database.transaction() as db:
        account = an_account(db, name="demo")
        db.add(an_organization(account_id=account.id))

    typist.types(
        *(*ADD, "--commands", "order,revoke", "--commands", "poll", "--account", "demo"),
        *("--organization", "9102", "--names", "*.Shop.example,shop.example", "--others-too"),
    )
    before = typist.json("sender", "show", "shop")
    changed = typist.json("sender", "set", "shop", "--all-names", "--commands", "order")
    typist.types("sender", "set", "shop", "--commands", "order", code=4)
    unlimited = typist.json(
        "sender", "set", "shop", "--all-accounts", "--all-organizations", "--own-only"
    )

    assert before["commands"] == ["order", "revoke", "poll"]
    assert (before["accounts"], before["organizations"]) == (["demo"], ["9102"])
    assert before["names"] == ["*.shop.example", "shop.example"]
    assert before["own_only"] is False
    assert changed == before | {"names": [], "commands": ["order"]}
    assert unlimited == changed | {"accounts": [], "organizations": [], "own_only": True}
    with typist.database.transaction() as db:
        kinds = [entry.type for entry in history(db, "shop")]
    assert kinds == ["sender.added", "sender.changed", "sender.changed"]


def test_what_is_wrong_is_said_with_its_option_and_nothing_is_added(typist: Typist) -> None:
    said = typist.types(
        *("sender", "add", "Shop.1", "--amqp-user", "u" * 256, "--commands", "order,burn"),
        *("--account", "gone", "--organization", "none", "--names", "*.*.example"),
        code=2,
    )
    typist.types("sender", "add", "shop", code=2)
    typist.types(*ADD, "--work-queues", code=2)
    typist.types("sender", "add", "legacy", "--amqp-user", "x", code=2)

    for option in (
        "NAME:",
        "--amqp-user:",
        "--commands:",
        "--account:",
        "--organization:",
        "--names:",
    ):
        assert option in said
    assert typist.json("sender", "list") == []


def test_a_name_or_a_user_is_that_of_one_sender_only(typist: Typist) -> None:
    typist.types(*ADD)

    again = typist.types(*ADD, code=4)
    other = typist.types("sender", "add", "bank", "--amqp-user", "shop.prod", code=4)
    typist.types("sender", "add", "dramatiq", "--work-queues")
    second = typist.types("sender", "add", "other", "--work-queues", code=4)

    assert "there is a sender 'shop' already" in again
    assert "the RabbitMQ user 'shop.prod' is the sender 'shop'" in other
    assert "the sender of the work queues is 'dramatiq'" in second


def test_a_sender_is_removed_and_an_unknown_one_is_reported(typist: Typist) -> None:
    typist.types(*ADD)

    typist.types("sender", "remove", "shop")

    assert typist.json("sender", "list") == []
    for words in (("show",), ("remove",), ("set", "--own-only")):
        said = typist.types("sender", words[0], "shop", *words[1:], code=1)
        assert "sender 'shop' is not known" in said


def test_what_a_system_ordered_before_there_were_senders_becomes_its_own(typist: Typist) -> None:
    a_legacy(typist)
    by_user = from_outside(typist, "amqp:shop.prod", "//shop.example")
    older = from_outside(typist, "shop.prod", "//shop.example")  # before names had namespaces
    claimed = from_outside(typist, "unknown", "//shop.example/orders")
    pretended = from_outside(
        typist, "shop.prod", "shop.prod"
    )  # the source was recorded as the user
    bank = from_outside(typist, "amqp:bank", "//bank.example")

    added = typist.json(*ADD, "--adopt-source", "//shop.example/orders")

    assert added["adopted"] == 3
    with typist.database.transaction() as db:
        found = {row.id: row.sender for row in db.scalars(select(Command))}
    assert found == {
        by_user: "shop",
        older: "shop",
        claimed: "shop",
        pretended: "legacy",
        bank: "legacy",
    }


def test_the_doctor_warns_of_the_legacy_sender_until_it_is_removed(typist: Typist) -> None:
    typist.types("init")
    a_legacy(typist)

    def said() -> str:
        checks = typist.json("doctor", code=1)["checks"]  # no part runs
        return str(next(each for each in checks if each["name"] == "senders"))

    alone = said()
    typist.types(*ADD)
    beside = said()
    typist.types("sender", "remove", "legacy")
    without = said()

    assert "warning: the sender legacy lets everybody that may write" in alone
    assert "certline sender remove legacy" in alone
    assert "lets every RabbitMQ user without a sender of its own" in beside
    assert "legacy" not in without
    assert "shop" in without


def test_the_legacy_sender_may_be_narrowed(typist: Typist) -> None:
    a_legacy(typist)

    typist.types("sender", "set", "legacy", "--commands", "order,renew")

    with typist.database.transaction() as db:
        legacy = db.get_one(Sender, "legacy")
    assert legacy.commands == ["order", "renew"]
    assert set(legacy.commands) < set(PUBLIC)
