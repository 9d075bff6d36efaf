"""Every commit and outward effect of certline, found in its sources: the places where a process may die.

An effect is a place in `workers/` or `producers/` with a transaction, a call to SCM, a publish or an ack. Each has
two points, `before` and `after`. The production code has no hooks for them.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from certline.workers.scm import ScmClient

ROOT = Path(__file__).parents[3]
ROOMS = ("workers", "producers")
# Left out: SCM's client counts as one effect where it is called, and the key code has none.
INSIDE = ("workers/scm/", "workers/keys/")

# Names of variables holding SCM's client, or of functions returning it.
CLIENTS = {"scm", "client"}
# What posts to a webhook's receiver, sends a notice, or writes the proof of a domain, each with the function that
# does.
RECEIVERS = {
    *(("receiver", "post"), ("channel", "send")),
    *(("provider", "publish"), ("provider", "withdraw")),
}
# Objects whose `run` is a transaction; that of other objects runs a process or a step.
DATABASES = {"database", "_database"}
# `Line.store` only wraps a transaction: its callers are the effects, not its own body.
WAYS = {"workers.runtime.context:WorkerContext.store"}
MESSAGES = {
    "basic_publish",
    "basic_ack",
    "basic_nack",
    "basic_reject",
    "send_all",
    "await_verdicts",
}
# Methods of Dramatiq's consumer and retries that we override and call with `super()`.
DRAMATIQ = {"ack", "nack", "after_process_message"}
OPERATIONS = {
    name for name in dir(ScmClient) if not name.startswith("_") and name not in ("close", "login")
}

TRANSACTION, CALL, MESSAGE = "transaction", "call", "message"


@dataclass(frozen=True)
class Effect:
    """An effect. `what`: the function run in a transaction, SCM's operation, or the operation on a message.

    `name` doesn't depend on line numbers; equal effects within one function are numbered. `first` and `last` are
    line numbers.
    """

    name: str
    kind: str
    what: str
    path: str
    first: int
    last: int


@cache
def effects() -> tuple[Effect, ...]:
    """Return all effects, ordered by file and line."""
    found: list[Effect] = []
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if not path.startswith(INSIDE):
                found += effects_in(file.read_text(), path)
    return tuple(found)


def effects_in(source: str, path: str) -> list[Effect]:
    """Return the effects of one file."""
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
    """Return the effect of that kind at the innermost frame of a stack that is at one, or None."""
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
    """Yield every call with the function that contains it, as `Class.method` or `outer.inner`."""
    for child in ast.iter_child_nodes(node):
        inner = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            inner = f"{function}.{child.name}".lstrip(".")
        if isinstance(child, ast.Call):
            yield function, child
        yield from _calls(child, inner)


def _effect_of(call: ast.Call) -> tuple[str, str] | None:
    """Return (kind, what) of a call that is an effect, else None."""
    if not isinstance(call.func, ast.Attribute):
        return None
    method, owner = call.func.attr, call.func.value
    if method in MESSAGES or (method in DRAMATIQ and _is_super(owner)):
        return MESSAGE, method
    if method == "transaction":
        return TRANSACTION, method
    if method == "store" or (method == "run" and _name(owner) in DATABASES):
        return TRANSACTION, f"{method} {_stored(call)}"
    if (method in OPERATIONS and _is_scm(owner)) or (_name(owner), method) in RECEIVERS:
        return CALL, f"call {method}"
    return None


def _stored(call: ast.Call) -> str:
    """Return the name of the function run in a transaction."""
    work = call.args[0]
    if isinstance(work, ast.Lambda):
        work = work.body
    if isinstance(work, ast.Call):
        # What stores the end of a stage is given the function that does (`ValidationTask.once`).
        work = work.args[0] if _name(work.func) in ("partial", "once") else work.func
    return _name(work)


def _is_scm(node: ast.AST) -> bool:
    """Return True if this is SCM's client; needed since strings have a method `replace` too."""
    return _name(node.func if isinstance(node, ast.Call) else node) in CLIENTS


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "super"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
