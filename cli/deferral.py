"""Modules that libraries import and no command uses: each runs when something of it is used for the first time.

psycopg and SQLAlchemy import asyncio, and that TLS; SQLAlchemy imports every way to reach Postgres. With Python's
own OpenSSL, beside the one that psycopg brings along, that is 5 MB of a command's memory.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any

DEFERRED = frozenset(
    {
        "ssl",
        "hashlib",
        "asyncio.sslproto",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "sqlalchemy.dialects.postgresql.pg8000",
        "sqlalchemy.dialects.postgresql.psycopg2",
        "sqlalchemy.dialects.postgresql.psycopg2cffi",
    }
)
# Held while a deferred module runs: another thread waits until it has all its attributes.
_lock = RLock()


class DeferredModule(ModuleType):
    """A module that has not run yet; afterwards it is a module as any other.

    Unlike one of `importlib.util.LazyLoader` it does not run when it is imported a second time.
    """

    def __getattr__(self, name: str) -> Any:
        """Run the module, and return what it has of that name. Raises AttributeError, or what it raises."""
        own = vars(self)
        with _lock:
            if type(self) is DeferredModule and "_is_running" not in own:
                own["_is_running"] = True
                try:
                    own["__loader__"].exec_module(self)
                    object.__setattr__(self, "__class__", ModuleType)
                finally:
                    del own["_is_running"]
        return object.__getattribute__(self, name)


class DeferringLoader(Loader):
    """Makes a module that runs later, by its own loader."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return what the module's own loader makes, None for an ordinary module."""
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Have the module run at its first use."""
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__class__ = DeferredModule


class Deferral:
    """A finder of `DEFERRED`, for `sys.meta_path`."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of `DEFERRED`, None for any other."""
        if name not in DEFERRED:
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is not None and found.loader is not None:
            found.loader = DeferringLoader(found.loader)
        return found


def defer() -> None:
    """Have the modules of `DEFERRED` that are not loaded yet run at their first use."""
    if Deferral not in sys.meta_path:
        sys.meta_path.insert(0, Deferral)
