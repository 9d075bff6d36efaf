"""Paging of lists: `position` is an offset in rows, `X-Total-Count` the number of all rows."""

from collections.abc import Sequence

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.wire.answers import Json, answer
from certline.simulator.wire.fields import asked_number, invalid


def window(asked: SimRequest) -> slice:
    """Return the slice of rows that the request selects. Raises Refusal for a size above `page_max`."""
    settings = asked.scm.settings
    size = asked_number(asked.query, "size", settings.page_default)
    if size > settings.page_max:
        if not settings.cut_page_size:
            raise invalid("size", f"more than {settings.page_max}")
        size = settings.page_max
    position = asked_number(asked.query, "position", 0)
    return slice(position, position + size)


def page(rows: Sequence[Json], total: int) -> Response:
    """Return a response with some of `total` rows."""
    return answer(list(rows), headers={"X-Total-Count": str(total)})
