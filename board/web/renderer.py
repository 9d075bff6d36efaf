"""Rendering: Jinja2 with everything escaped, and the formats of times, numbers and names."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import HTMLResponse

from certline.board.web import links
from certline.board.web.navigation import MenuEntry
from certline.board.web.static import StaticFile
from certline.models.documents.projection import distance, instant, minute, second
from certline.workers.process.visible import visible

TEMPLATES = Path(__file__).parents[1] / "templates"


class CompiledTemplates(BytecodeCache):
    """Templates that this process has compiled, for all its boards."""

    codes: ClassVar[dict[str, CodeType | None]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Put the code of a template into a bucket, if it is known."""
        bucket.code = self.codes.get(f"{bucket.key} {bucket.checksum}")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a bucket."""
        self.codes[f"{bucket.key} {bucket.checksum}"] = bucket.code


class Renderer:
    """Renders the pages of one board. `static`: its files by name; `menu`: its groups and entries."""

    def __init__(
        self, static: Mapping[str, StaticFile], menu: list[tuple[str, list[MenuEntry]]]
    ) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=CompiledTemplates(),
        )
        self._environment.filters.update(
            instant=_instant,
            is_instant=lambda value: isinstance(value, datetime),
            minute=minute,
            second=second,
            distance=distance,
            number=number,
            visible=visible,
        )
        self._environment.globals.update(
            menu=menu, links=links, static={name: file.url for name, file in static.items()}
        )
        # Now, so that whoever asks for a page first does not wait for it.
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def page(
        self,
        request: Request,
        template: str,
        title: str,
        values: Mapping[str, Any],
        status: int = 200,
    ) -> HTMLResponse:
        """Return a template as a response; `title` is that of the page."""
        user = getattr(request.state, "user", None)
        own = {"title": title, "here": request.url.path, "user": user}
        text = self._environment.get_template(template).render({**values, **own})
        return HTMLResponse(text, status)


def number(value: float | None) -> str:
    """Format a number for people: `12,345`; None as a dash."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _instant(value: datetime | date) -> str:
    """Format a time for the attribute `datetime` of an element; a day stays a day."""
    return (instant(value) or "") if isinstance(value, datetime) else value.isoformat()
