"""The data of a page as JSON and CSV, as the command line prints them."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse

from certline.board.web.errors import BadFilterError
from certline.models.documents.spreadsheet import cell

CSV = "text/csv; charset=utf-8"
JSON = "application/json"


class Representation(StrEnum):
    """Format of a page."""

    HTML = "html"
    JSON = "json"
    CSV = "csv"


def representation(given: QueryParams) -> Representation:
    """Return the format that an address asks for. Raises BadFilterError."""
    text = given.get("format") or Representation.HTML.value
    try:
        return Representation(text)
    except ValueError:
        raise BadFilterError(["format should be one of: html, json, csv"]) from None


def json_response(document: object, status: int = 200) -> Response:
    """Return a document as JSON."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    return Response(f"{text}\n", status, media_type=JSON)


def streamed_json(documents: Iterable[Mapping[str, Any]]) -> Response:
    """Return rows as a JSON array, sent as they are read."""
    return StreamingResponse(_array(documents), media_type=JSON)


def streamed_csv(documents: Iterable[Mapping[str, Any]], name: str) -> Response:
    """Return rows as CSV with the JSON document's keys as header, for a file of that name."""
    shown = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(_lines(documents), media_type=CSV, headers=shown)


def _array(documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    begin = "["
    for document in documents:
        yield f"{begin}\n  {json.dumps(document, ensure_ascii=False, default=str)}"
        begin = ","
    yield "[]\n" if begin == "[" else "\n]\n"


def _lines(documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    has_header = False
    for document in documents:
        if not has_header:
            writer.writerow(document)
            has_header = True
        writer.writerow([cell(value) for value in document.values()])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
