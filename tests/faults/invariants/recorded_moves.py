"""A log of every status change of every order, written by a Postgres trigger, and its check."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models import OrderStatus
from certline.models.states import MOVES
from certline.models.vault import Vault
from tests.faults.invariants.types import World


def every_move_was_legal(db: Session, _world: World, _vault: Vault) -> Iterator[str]:
    """Check the trigger's log: fences never fall, and statuses change only as MOVES allows."""
    for order_id, was, now, was_fence, fence in db.execute(
        text("SELECT order_id, was, now, was_fence, fence FROM watched ORDER BY id")
    ):
        if fence < was_fence:
            yield f"the fence of order {order_id} fell from {was_fence} to {fence}"
        if was != now and OrderStatus(now) not in MOVES[OrderStatus(was)]:
            yield f"order {order_id} went from {was} to {now}"
        if now == OrderStatus.SENDING and was != now and fence == was_fence:
            yield f"order {order_id} was sent without a new fence"


WATCH = """
CREATE TABLE watched (id bigserial, order_id text, was text, now text, was_fence int, fence int);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watched (order_id, was, now, was_fence, fence)
  VALUES (NEW.id, OLD.status, NEW.status, OLD.fence, NEW.fence);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE OF status, fence ON "order" FOR EACH ROW EXECUTE FUNCTION watch();
"""


def watch(db: Session) -> None:
    """Install the trigger, which logs changes by any process."""
    db.execute(text(WATCH))
