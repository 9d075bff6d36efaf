"""What went wrong, in a sentence for a person, and with which exit code the process ends."""

from collections.abc import Sequence

DONE, FAILED, WRONG_USE, WAITS, NOTHING, TIMED_OUT, NO_SERVER = range(7)
STOPPED = 130  # as a shell counts Ctrl-C


class Fault(Exception):
    """A command ended badly: what a person is told, and the exit code."""

    def __init__(
        self, message: str, *, code: int = FAILED, problems: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.problems = list(problems)
        self.hint = hint
