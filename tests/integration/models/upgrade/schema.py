"""The schema of a database as Postgres describes it: what a part of another version meets there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

OWN_TABLE = "alembic_version"
KINDS = {"r": "table", "p": "table", "v": "view", "m": "view", "S": "sequence"}

RELATIONS = text(
    """SELECT relname, relkind FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')"""
)
COLUMNS = text(
    """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
              a.atthasdef OR a.attidentity <> ''
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
         AND a.attnum > 0 AND NOT a.attisdropped"""
)
# Constraints that are written as such; NOT NULL is a property of the column. (Postgres 18 lists it here, too.)
CONSTRAINTS = text(
    """SELECT c.relname, k.conname, k.contype, pg_get_constraintdef(k.oid),
              ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey))
       FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
       WHERE k.connamespace = 'public'::regnamespace AND k.contype IN ('c', 'f', 'p', 'u', 'x')"""
)
UNIQUE_INDEXES = text(
    """SELECT t.relname, i.relname, 'u', pg_get_indexdef(i.oid),
              ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (x.indkey))
       FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
       WHERE t.relnamespace = 'public'::regnamespace AND x.indisunique
         AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid)"""
)
FUNCTIONS = text(
    """SELECT proname || '(' || pg_get_function_identity_arguments(oid) || ')' FROM pg_proc
       WHERE pronamespace = 'public'::regnamespace"""
)
TRIGGERS = text(
    """SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal"""
)


@dataclass(frozen=True)
class Column:
    """A column: its type, whether it refuses NULL, and whether an INSERT may leave it out."""

    type: str
    required: bool
    filled: bool


@dataclass(frozen=True)
class Rule:
    """A constraint or a unique index: its kind as in `pg_constraint.contype`, its text, and its columns."""

    kind: str
    text: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """Everything that a statement of another version may depend on; plain indexes only make it faster."""

    relations: dict[str, str] = field(default_factory=dict)
    columns: dict[tuple[str, str], Column] = field(default_factory=dict)
    rules: dict[tuple[str, str], Rule] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()
    triggers: dict[tuple[str, str], str] = field(default_factory=dict)

    def columns_of(self, relation: str) -> Iterator[str]:
        """Yield the names of a relation's columns."""
        return (column for of, column in self.columns if of == relation)


def schema_of(connection: Connection) -> Schema:
    """Return the schema of a database, but for Alembic's own table."""
    rules = [*connection.execute(CONSTRAINTS), *connection.execute(UNIQUE_INDEXES)]
    return Schema(
        {name: KINDS[kind] for name, kind in connection.execute(RELATIONS) if name != OWN_TABLE},
        {
            (of, name): Column(kind, required, filled)
            for of, name, kind, required, filled in connection.execute(COLUMNS)
            if of != OWN_TABLE
        },
        {
            (of, name): Rule(kind, said, frozenset(columns))
            for of, name, kind, said, columns in rules
            if of != OWN_TABLE
        },
        frozenset(connection.scalars(FUNCTIONS)),
        {(of, name): said for of, name, said in connection.execute(TRIGGERS)},
    )
