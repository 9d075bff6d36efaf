"""Search for orders and certificates by what a person has of them: a name, a serial number, an sslId or an id.

Each is looked up in an index; only a text with `*` at both ends is compared with every name.
"""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, or_, select, union_all
from sqlalchemy.orm import Session, defer

from certline.models.accounts.account import Account
from certline.models.certificates.certificate import Certificate, serial_number_in
from certline.models.database.patterns import like
from certline.models.host_names import same_host
from certline.models.listing import Narrowing, orders_listed
from certline.models.orders.order import Order
from certline.models.states import OPEN
from certline.models.validation import column_integer

# Things that are found by their serial number, their sslId or a further name, at most. Names that begin with the
# text, of which there may be any number, are not counted in.
MOST = 1_000
# Hexadecimal digits from which a text without other letters may be a serial number: SCM's have 32, short ones 8.
SHORTEST_SERIAL = 8


def certificates_found(db: Session, text: str) -> ColumnElement[bool]:
    """Return the condition that a certificate is meant by a text."""
    name = same_host(text)
    exact = [Certificate.id == text.strip().upper(), *_of_names(name), *_of_serial(text)]
    number = column_integer(text.strip())
    if number is not None:
        exact.append(_with_scm_id(number))
    ids = _ids(db, exact)
    return or_(*_like(Certificate, name), *([Certificate.id.in_(ids)] if ids else ()))


def orders_found(db: Session, text: str) -> ColumnElement[bool]:
    """Return the condition that an order is meant by a text.

    A further name finds orders that have a certificate, and those that are open.
    """
    name = same_host(text)
    of_certificates = [*_of_names(name), *_of_serial(text)]
    pieces = [
        select(Certificate.order_id).where(each).limit(MOST).subquery().select()
        for each in of_certificates
    ]
    own = [Order.id == text.strip().upper()]
    number = column_integer(text.strip())
    if number is not None:
        own.append(Order.scm_id == number)
    if _is_name(name):
        own.append(and_(Order.status.in_(OPEN), Order.sans.contains([name])))
    pieces += [select(Order.id).where(each).limit(MOST).subquery().select() for each in own]
    ids = list(dict.fromkeys(db.scalars(union_all(*pieces))))
    return or_(*_like(Order, name), *([Order.id.in_(ids)] if ids else ()))


def order_shown(db: Session, name: str) -> Order | None:
    """Return the order with that id, without its secrets, or None."""
    question = orders_listed(Narrowing()).where(Order.id == name.upper())
    return db.scalars(question).one_or_none()


def certificate_shown(db: Session, name: str) -> Certificate | None:
    """Return the certificate with that id, with its issuers and without its secrets, or None."""
    question = select(Certificate).options(
        defer(Certificate.leaf, raiseload=True),
        defer(Certificate.keystore_password_sealed, raiseload=True),
    )
    return db.scalars(question.where(Certificate.id == name.upper())).one_or_none()


def _like(table: type[Order] | type[Certificate], name: str) -> Iterator[ColumnElement[bool]]:
    """Yield the condition that the common name matches; without a `*`, that it begins with the text."""
    if name:
        yield and_(*like(table.common_name, name if "*" in name else f"{name}*"))


def _of_names(name: str) -> list[ColumnElement[bool]]:
    return [Certificate.sans.contains([name])] if _is_name(name) else []


def _is_name(name: str) -> bool:
    """Return True if a text may be one whole name; that of a wildcard certificate begins with `*.`."""
    return "." in name and "*" not in name.removeprefix("*.")


def _of_serial(text: str) -> list[ColumnElement[bool]]:
    serial = serial_number_in(text)
    if serial is None or len(serial) < SHORTEST_SERIAL:
        return []
    return [Certificate.serial_number == serial]


def _with_scm_id(number: int) -> ColumnElement[bool]:
    # With the account, the index of the identity at SCM finds it.
    mine = Certificate.account_id.in_(select(Account.id))
    return and_(mine, Certificate.scm_id == number)


def _ids(db: Session, which: list[ColumnElement[bool]]) -> list[str]:
    pieces = [select(Certificate.id).where(each).limit(MOST).subquery().select() for each in which]
    return list(dict.fromkeys(db.scalars(union_all(*pieces))))
