"""The simulated SCM's clock, which the switch `clock_ahead_s` moves."""

from starlette.types import ASGIApp, Receive, Scope, Send

from certline.simulator.state.scm import Scm
from certline.simulator.wire.dates import clock_ahead


class MovableClock:
    """ASGI middleware that serves each call by the clock as the switch has it when the call arrives."""

    def __init__(self, app: ASGIApp, scm: Scm) -> None:
        self.app = app
        self.scm = scm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call."""
        with clock_ahead(self.scm.settings.clock_ahead_s):
            await self.app(scope, receive, send)
