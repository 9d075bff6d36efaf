"""Error reporting: one sentence for the user, and the exit code of the process."""

from collections.abc import Sequence

DONE, FAILED, WRONG_USE, WAITS, NOTHING, TIMED_OUT, NO_SERVER = range(7)
STOPPED = 130  # 128 + SIGINT, as shells report Ctrl-C


class Fault(Exception):
    """A failure to report to the user: the sentence, further problems, a hint, and the exit code."""

    def __init__(
        self, message: str, *, code: int = FAILED, problems: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.problems = list(problems)
        self.hint = hint
