"""One process per name on a data folder: an exclusive lock that the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockedError(RuntimeError):
    """Another process holds the lock; the message names it."""


@contextmanager
def exclusive(folder: Path, name: str) -> Iterator[None]:
    """Hold `folder`/`name`.lock. Raises LockedError at once when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            holder = os.read(descriptor, 40).decode(errors="replace").strip() or "unknown"
            raise LockedError(
                f"another tideplan (process {holder}) works on {folder}; end it, or take another folder with --data"
            ) from fault
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(folder: Path, name: str) -> str | None:
    """The process that holds the lock, if any."""
    path = folder / f"{name}.lock"
    if not path.is_file():
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 40).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None
