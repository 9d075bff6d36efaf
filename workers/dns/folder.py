"""Proofs as files below a folder that a web server serves."""

from __future__ import annotations

import os
import re
import secrets as random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from certline.workers.dns.proof import Method, Proof
from certline.workers.dns.provider import DnsRefused, DnsTryLater

# Where the CA looks (Baseline Requirements, 3.2.2.4.18), below the web server's root.
PLACE = (".well-known", "pki-validation")
FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
# In the setting `folder`, for web servers with a root for each host.
EACH_HOST = "{host}"
# Bytes of a file that are read, to compare it.
LARGEST = 16 * 1024
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class WebFolder:
    """A provider that writes the file of a proof below `folder`, in which `{host}` stands for the host."""

    folder: str

    @classmethod
    def of(cls, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> WebFolder:  # noqa: ARG003
        """Return the provider. Settings: `folder`, an absolute path. Raises DnsRefused."""
        folder = str(settings.get("folder") or "")
        if not folder.startswith("/"):
            raise DnsRefused(
                f"the setting `folder` is {folder!r}; give the absolute path of a folder"
            )
        return cls(folder)

    def publish(self, proof: Proof) -> None:
        """Write the file, complete or not at all. See `Provider`."""
        root, name = self._place(proof)
        with _faults(root), _opened(root, make=True) as folder:
            if not _write(folder, name, proof.value) and not _holds(folder, name, proof.value):
                raise DnsRefused(
                    f"{root}/{'/'.join(PLACE)}/{name} is there already with another content, which certline does "
                    "not overwrite. Remove the file if nobody needs it"
                )

    def withdraw(self, proof: Proof) -> None:
        """Remove the file if it is this proof's. See `Provider`."""
        root, name = self._place(proof)
        with _faults(root):
            try:
                with _opened(root, make=False) as folder:
                    if _holds(folder, name, proof.value):
                        os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                return  # no such file, or no folder for it

    def _place(self, proof: Proof) -> tuple[str, str]:
        """Return the web server's root and the file's name. Raises DnsRefused."""
        if proof.method not in (Method.HTTP, Method.HTTPS):
            raise DnsRefused(
                f"{proof.name} {proof.method.upper()} is a record of the DNS, which a folder cannot hold; use a "
                "provider of another kind, or --method http"
            )
        host = proof.host.lower()
        parts = urlsplit(proof.name).path.split("/")
        if parts[:-1] != ["", *PLACE] or not FILE.fullmatch(parts[-1]) or not HOST.fullmatch(host):
            raise DnsRefused(f"{proof.name!r} is no URL of a file in /{'/'.join(PLACE)}/ of a host")
        return self.folder.replace(EACH_HOST, host), parts[-1]


@contextmanager
def _faults(root: str) -> Iterator[None]:
    """Turn errors of the file system into DnsRefused and DnsTryLater."""
    try:
        yield
    except (BlockingIOError, InterruptedError, TimeoutError) as error:
        raise DnsTryLater(f"{root}: {error.strerror}") from None
    except OSError as error:
        raise DnsRefused(
            f"the file cannot be written or removed below {root}: {error.strerror or type(error).__name__}. The "
            "folder has to be there on the machine of every worker, no symbolic link may be below it, and the "
            "workers' user needs the right to write"
        ) from None


@contextmanager
def _opened(root: str, *, make: bool) -> Iterator[int]:
    """Yield the open folder of the proofs. No link below the root is followed. Raises OSError."""
    handle = os.open(Path(root), DIRECTORY)
    try:
        for name in PLACE:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=handle)
            inner = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _write(folder: int, name: str, text: str) -> bool:
    """Write a new file. Returns False if there is one of that name. Raises OSError."""
    draft = f".certline-{random.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(draft, flags, 0o644, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"{text}\n".encode())
            file.flush()
            os.fchmod(
                file.fileno(), 0o644
            )  # whatever the umask says: the web server has to read it
            os.fsync(file.fileno())
        # `link` fails if there is a file of that name, where `rename` would replace it.
        os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft, dir_fd=folder)
    return True


def _holds(folder: int, name: str, text: str) -> bool:
    """Return True if a file has this text. Raises OSError, also for a link."""
    handle = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder
    )
    with os.fdopen(handle, "rb") as file:
        return file.read(LARGEST).decode(errors="replace").rstrip() == text.rstrip()
