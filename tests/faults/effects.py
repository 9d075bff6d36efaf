"""Every commit and every outward effect of the line, read from its sources: where a process may die.

An effect is a place in `workers/` or `producers/`: a transaction, a call to SCM, a publish, an
ack. Each has two points, `before` and `after`. Nothing in the production code knows of them.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from certline.workers.scm import ScmClient

ROOT = Path(__file__).parents[2]
ROOMS = ("workers", "producers")
# SCM's client is one effect as a whole (the call), and the keys have none.
INSIDE = ("workers/scm/", "workers/keys/")

# What SCM's client is called, or the function that answers it.
CLIENTS = {"scm", "client"}
# What posts to a webhook's receiver.
RECEIVERS = {"receiver"}
# On what `run` is a transaction; elsewhere it runs a part or a step.
DATABASES = {"database", "_database"}
# `Line.store` is the way to a transaction, and each place that takes this way is an effect.
WAYS = {"workers.runtime.context:Line.store"}
MESSAGES = {"basic_publish", "basic_ack", "basic_nack", "basic_reject"}
# What Dramatiq does for a consumer and for retries of ours.
DRAMATIQ = {"ack", "nack", "after_process_message"}
OPERATIONS = {
    name for name in dir(ScmClient) if not name.startswith("_") and name not in ("close", "login")
}

TRANSACTION, CALL, MESSAGE = "transaction", "call", "message"


@dataclass(frozen=True)
class Effect:
    """One place: `what` is the function that is stored, SCM's operation or what is done to a message.

    `name` stays when lines move; it counts only the same effects of one function.
    """

    name: str
    kind: str
    what: str
    path: str
    first: int
    last: int


@cache
def effects() -> tuple[Effect, ...]:
    """All effects, in the order of files and lines."""
    found: list[Effect] = []
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if not path.startswith(INSIDE):
                found += effects_in(file.read_text(), path)
    return tuple(found)


def effects_in(source: str, path: str) -> list[Effect]:
    """The effects of one file."""
    module = path.removesuffix(".py").replace("/", ".")
    seen: Counter[str] = Counter()
    found = []
    for function, call in sorted(_calls(ast.parse(source), ""), key=lambda each: each[1].lineno):
        known = _effect_of(call)
        if known is None or f"{module}:{function}" in WAYS:
            continue
        kind, what = known
        name = f"{module}:{function} {what}"
        seen[name] += 1
        numbered = name if seen[name] == 1 else f"{name} {seen[name]}"
        last = call.end_lineno or call.lineno
        found.append(Effect(numbered, kind, what, path, call.lineno, last))
    return found


def effect_at(frame: FrameType | None, kind: str) -> Effect | None:
    """The effect of that kind that a stack is in: that of its innermost frame which is at one."""
    places = _places()
    while frame is not None:
        effect = places.get((frame.f_code.co_filename, frame.f_lineno))
        if effect is not None and effect.kind == kind:
            return effect
        frame = frame.f_back
    return None


@cache
def _places() -> dict[tuple[str, int], Effect]:
    return {
        (str(ROOT / "certline" / effect.path), line): effect
        for effect in effects()
        for line in range(effect.first, effect.last + 1)
    }


def _calls(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the function that it stands in, as `Class.method` or `outer.inner`."""
    for child in ast.iter_child_nodes(node):
        inner = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            inner = f"{function}.{child.name}".lstrip(".")
        if isinstance(child, ast.Call):
            yield function, child
        yield from _calls(child, inner)


def _effect_of(call: ast.Call) -> tuple[str, str] | None:
    """Kind and what of a call that is an effect."""
    if not isinstance(call.func, ast.Attribute):
        return None
    method, owner = call.func.attr, call.func.value
    if method in MESSAGES or (method in DRAMATIQ and _is_super(owner)):
        return MESSAGE, method
    if method == "transaction":
        return TRANSACTION, method
    if method == "store" or (method == "run" and _name(owner) in DATABASES):
        return TRANSACTION, f"{method} {_stored(call)}"
    if (method in OPERATIONS and _is_scm(owner)) or (
        method == "post" and _name(owner) in RECEIVERS
    ):
        return CALL, f"call {method}"
    return None


def _stored(call: ast.Call) -> str:
    """The name of the function that a transaction is given to run."""
    work = call.args[0]
    if isinstance(work, ast.Lambda):
        work = work.body
    if isinstance(work, ast.Call):
        work = work.args[0] if _name(work.func) == "partial" else work.func
    return _name(work)


def _is_scm(node: ast.AST) -> bool:
    """Whether that is SCM's client: a text has a `replace` too."""
    return _name(node.func if isinstance(node, ast.Call) else node) in CLIENTS


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "super"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
