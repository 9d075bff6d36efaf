"""The screen: a rich console that shows what would steer the terminal, instead of passing it on."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from certline.workers.process.visible import visible


class Screen(Console):
    """A console whose texts cannot steer the terminal; its own colours and cursor movements are kept apart."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the pieces of what is printed, with the texts in them made safe."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)
