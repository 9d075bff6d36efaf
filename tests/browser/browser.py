"""Chromium, its pages, and what goes wrong in them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

# Chromium asks nothing of the network by itself, and has no sandbox as root.
SWITCHES = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)
# Kept in the page, before any script of its own runs.
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""
WIDER = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  // What lies in a box that scrolls by itself makes the page no wider.
  const scrolls = (each) => getComputedStyle(each).overflowX !== "visible";
  const inside = (each) => each.parentElement && (scrolls(each.parentElement) || inside(each.parentElement));
  return [...document.querySelectorAll("body *")]
    .filter((each) => each.getBoundingClientRect().right > width + 1 && !inside(each))
    .map((each) => `${each.tagName}#${each.id}.${each.className}: ${each.textContent.trim().slice(0, 60)}`);
}"""
# Milliseconds until a page has its numbers.
PATIENCE = 30_000
# axe's grades of what keeps somebody from using a page.
SERIOUS = ("serious", "critical")
# Where the screenshots go; `make test` leaves them there.
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", "dist/screenshots"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium, without a window, for the length of the block."""
    program = shutil.which("chromium")
    assert program is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield browser
        browser.close()


class Watched:
    """A page of the board, with everything that its console, its policy and its requests complain about."""

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        """Open a page; `options` are those of Playwright's `new_context`: size, colours, language, time zone."""
        self.base = base
        self.complaints: list[str] = []
        self.addresses: set[str] = set()
        self._context = browser.new_context(base_url=base, **options)
        self._context.add_init_script(NOTE_VIOLATIONS)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.add(request.url))

    def close(self) -> None:
        """Close the page."""
        self._context.close()

    def open(self, path: str) -> Page:
        """Open a path, and return the page once it has loaded, with its numbers."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"
        # The page loads itself again until they are there.
        counting = self.page.locator("[data-counting]")
        while counting.count():
            expect(counting).to_have_count(0, timeout=PATIENCE)
            self.page.wait_for_load_state()
        return self.page

    def violations(self) -> list[str]:
        """Return what the page's policy has stopped since it was loaded."""
        return list(self.page.evaluate("window.violations"))

    def obstacles(self) -> list[str]:
        """Return what axe finds serious or critical in the page as it is now, with where."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']} ({each['impact']}): {node['target']} {node['failureSummary']}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def strangers(self) -> set[str]:
        """Return the addresses outside of the board that the page has asked."""
        return {each for each in self.addresses if not each.startswith((self.base, "data:"))}

    def overflows(self) -> list[str]:
        """Return what makes the page wider than its window; nothing if it fits."""
        return list(self.page.evaluate(WIDER))

    def keep(self, name: str) -> Path:
        """Write a screenshot of the whole page, and return its path."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)
