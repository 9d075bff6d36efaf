"""Contractions: changes of a schema with which a part of the former version can fail, or make others fail.

The rest of what a migration does expands: tables, columns that an INSERT may leave out, and plain indexes.
"""

import re
from collections.abc import Iterator

from tests.integration.models.upgrade.schema import Schema

CHECK, FOREIGN_KEY = "c", "f"


def contractions(before: Schema, after: Schema) -> list[str]:
    """Return a sentence for each contraction between two states of a schema, sorted."""
    return sorted(
        {
            *_relations(before, after),
            *_columns(before, after),
            *_rules(before, after),
            *_programs(before, after),
        }
    )


def _relations(before: Schema, after: Schema) -> Iterator[str]:
    for name, kind in before.relations.items():
        if name not in after.relations:
            yield f"{kind} {name} is gone"
        elif after.relations[name] != kind:
            yield f"{kind} {name} is a {after.relations[name]}"


def _columns(before: Schema, after: Schema) -> Iterator[str]:
    for (of, name), was in before.columns.items():
        if of not in after.relations:
            continue
        now = after.columns.get((of, name))
        if now is None:
            yield f"column {of}.{name} is gone"
            continue
        if now.type != was.type:
            yield f"column {of}.{name} was {was.type} and is {now.type}"
        if now.required and not was.required:
            yield f"column {of}.{name} refuses NULL"
        elif now.required and was.filled and not now.filled:
            yield f"column {of}.{name} has lost its default"
    for (of, name), now in after.columns.items():
        added = of in before.relations and (of, name) not in before.columns
        if added and now.required and not now.filled:
            yield f"column {of}.{name} is new, refuses NULL and has no default"


def _rules(before: Schema, after: Schema) -> Iterator[str]:
    for (of, name), was in before.rules.items():
        now = after.rules.get((of, name))
        if of not in after.relations or not was.columns <= set(after.columns_of(of)):
            continue  # said above
        if now is None:
            yield f"rule {of}.{name} is gone: {was.text}"
        elif now != was:
            if fresh := values_in(now.text) - values_in(was.text):
                yield f"rule {of}.{name} has new values: {', '.join(sorted(fresh))}"
            if not values_in(was.text) <= values_in(now.text) or not values_in(now.text):
                yield f"rule {of}.{name} is another one: {now.text}"
    for (of, name), now in after.rules.items():
        if of not in before.relations or (of, name) in before.rules:
            continue
        # What the former version leaves out has its default, which a check and a reference accept already; a
        # second row with the same default would not be unique.
        left_out = not now.columns & set(before.columns_of(of)) and now.kind in {CHECK, FOREIGN_KEY}
        if not left_out:
            yield f"rule {of}.{name} is new: {now.text}"


def _programs(before: Schema, after: Schema) -> Iterator[str]:
    for name in before.functions - after.functions:
        yield f"function {name} is gone"
    for (of, name), was in before.triggers.items():
        if of in after.relations and after.triggers.get((of, name)) != was:
            yield f"trigger {of}.{name} is gone or another one"
    for of, name in after.triggers.keys() - before.triggers.keys():
        if of in before.relations:
            yield f"trigger {of}.{name} is new"


def values_in(rule: str) -> set[str]:
    """Return the texts that a check such as `status = ANY (ARRAY['a', 'b'])` allows."""
    return set(re.findall(r"'([^']*)'::", rule)) if "ARRAY[" in rule else set()
