"""The process in which dns-lexicon runs: reads one task on standard input, and writes one answer.

An answer has words of our own: texts of dns-lexicon and of the providers may hold credentials.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from certline.workers.programs.dumpable import close_to_others
from certline.workers.programs.orphan import end_with_starter

DONE, REFUSED, LATER = "done", "refused", "later"
# Types of records that may be in the way of a proof.
BESIDE = ("CNAME", "TXT")


class InTheWayError(Exception):
    """There is a record that is not ours; the text says which."""


def main() -> None:
    """Carry out the task on standard input."""
    close_to_others()
    task = json.load(sys.stdin)
    end_with_starter(task["starter"])
    answers = os.dup(1)
    # Some of its providers print what they send.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    logging.disable(logging.CRITICAL)
    outcome, said = carry_out(task)
    os.write(answers, json.dumps({"outcome": outcome, "said": said}).encode())


def carry_out(task: Mapping[str, Any]) -> tuple[str, str]:
    """Publish or withdraw a record. Returns (outcome, in words of our own why)."""
    try:
        if task["action"] == "options":
            return DONE, " ".join(_options(task["provider"]))
        provider = _opened(task)
        if task["action"] == "publish":
            _publish(provider, task)
        else:
            _withdraw(provider, task)
    except InTheWayError as there:
        return REFUSED, str(there)
    except ImportError as error:
        return REFUSED, (
            f"it needs a package that is not installed ({error.name}): "
            f"pip install 'dns-lexicon[{task['provider']}]'"
        )
    except Exception as error:  # noqa: BLE001  # the edge of a process, and of other people's code
        return _meaning(error, task)
    return DONE, ""


def _options(name: str) -> list[str]:
    """Return the names of a provider's options, as they are given to it."""
    parser = ArgumentParser(add_help=False)
    _module(name).Provider.configure_parser(parser)
    found = [action.dest for action in parser._actions]  # noqa: SLF001  # argparse lists them nowhere else
    return list(dict.fromkeys(found))


def _module(name: str) -> Any:
    return import_module(f"lexicon._private.providers.{name}")


def _opened(task: Mapping[str, Any]) -> Any:
    """Return dns-lexicon's provider, logged in, for a zone whose name is known.

    Not its `Client`, which guesses the zone by the public suffix list, and fetches that from the network.
    """
    config = import_module("lexicon.config")
    name = task["provider"]
    given = {"domain": task["zone"]}
    for option, value in task["options"].items():
        given |= {option.replace("-", "_"): value, option.replace("_", "-"): value}
    common = {"provider_name": name, "domain": task["zone"], "ttl": task["ttl"]}
    provider = _module(name).Provider(config.ConfigResolver().with_dict({**common, name: given}))
    provider.authenticate()
    return provider


def _publish(provider: Any, task: Mapping[str, Any]) -> None:
    kind, name, value = task["type"], task["name"], task["value"]
    before = list(_records(provider, name))
    if any(_is(each, kind, value) for each in before):
        return
    in_the_way = [each for each in before if "CNAME" in (kind, each["type"])]
    if in_the_way:
        raise InTheWayError(f"{name} has {_listed(in_the_way)} already: {_advice(kind, value)}")
    provider.create_record(kind, name, value)
    # Some of its providers take the target of an alias for a name within the zone.
    known = [(each["type"], each["content"]) for each in before]
    new = [
        each for each in _records(provider, name) if (each["type"], each["content"]) not in known
    ]
    if new and not any(_is(each, kind, value) for each in new):
        for each in new:
            _delete(provider, each)
        raise InTheWayError(
            f"dns-lexicon wrote {_listed(new)} in place of {kind} {value!r} at {name}, which was removed again; "
            "use another method (--method txt), or another way"
        )


def _withdraw(provider: Any, task: Mapping[str, Any]) -> None:
    for each in _records(provider, task["name"]):
        if _is(each, task["type"], task["value"]):
            _delete(provider, each)


def _delete(provider: Any, record: Mapping[str, Any]) -> None:
    # With its value: without, some providers would remove all records of the name.
    provider.delete_record(record.get("id"), record["type"], record["name"], record["content"])


def _records(provider: Any, name: str) -> Iterator[dict[str, Any]]:
    for kind in BESIDE:
        for each in provider.list_records(kind, name) or ():
            record = cast("dict[str, Any]", each)
            # Not all of them filter.
            if record["type"] == kind and _plain(record["name"]) == _plain(name):
                yield record


def _is(record: Mapping[str, Any], kind: str, value: str) -> bool:
    content = str(record["content"])
    if record["type"] != kind:
        return False
    if kind == "CNAME":
        return _plain(content) == _plain(value)
    return content in (value, f'"{value}"')


def _plain(name: str) -> str:
    return str(name).rstrip(".").lower()


def _listed(records: list[dict[str, Any]]) -> str:
    return ", ".join(f"{each['type']} {str(each['content'])[:120]!r}" for each in records[:4])


def _advice(kind: str, value: str) -> str:
    return (
        f"it is left as it is, and {kind} {value!r} was not written. Remove it if nobody needs it"
    )


def _meaning(error: Exception, task: Mapping[str, Any]) -> tuple[str, str]:
    """Return the outcome and our words for an error of dns-lexicon, or of the HTTP library that it uses."""
    requests = import_module("requests")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, requests.HTTPError) and status is not None:
        if status == 429 or status >= 500:
            return LATER, f"its interface answers with status {status}"
        if status in (401, 403):
            return REFUSED, (
                f"its interface refuses the login, or the right to change {task['zone']} (status {status}); check "
                "the credentials and what they may do"
            )
        return (
            REFUSED,
            f"its interface answers with status {status}; is {task['zone']} a zone there?",
        )
    if isinstance(error, requests.ConnectionError | requests.Timeout | TimeoutError):
        return LATER, "its interface cannot be reached"
    if type(error).__name__ == "AuthenticationError":
        return REFUSED, (
            f"it refuses the login, or has no zone {task['zone']}; check the credentials and --zones"
        )
    return REFUSED, (
        f"dns-lexicon's code for this provider failed ({type(error).__name__}); are all options given that it "
        f"needs (lexicon {task['provider']} --help), and is {task['zone']} a zone there?"
    )


if __name__ == "__main__":
    main()
