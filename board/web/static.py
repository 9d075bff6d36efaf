"""The style sheet, the script and the icon, kept in memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parents[1] / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# The address names the content, so it may be kept for as long as the browser likes.
KEPT = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticFile:
    """A file that pages refer to."""

    name: str
    content: bytes
    media_type: str

    @property
    def url(self) -> str:
        """Its address, which changes with its content."""
        return f"/static/{self.name}?v={hashlib.sha256(self.content).hexdigest()[:12]}"

    def respond(self, _request: Request) -> Response:
        """Return the file."""
        return Response(self.content, media_type=self.media_type, headers={"Cache-Control": KEPT})


def static_files() -> dict[str, StaticFile]:
    """Load the files, by name."""
    return {
        file.name: StaticFile(file.name, file.read_bytes(), TYPES[file.suffix])
        for file in sorted(FOLDER.iterdir())
        if file.suffix in TYPES
    }


def static_routes(files: dict[str, StaticFile]) -> list[Route]:
    """Return the routes of the files."""
    return [Route(f"/static/{name}", file.respond) for name, file in files.items()]
