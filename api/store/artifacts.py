"""Content-addressed files: named by their SHA-256, written once, never changed.

A file becomes visible by an atomic rename after its bytes and its folder are on the disk, so a crash leaves either the
whole artifact or a temporary file that `sweep` removes.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Stored:
    """A stored artifact: its hash and its size in bytes."""

    sha256: str
    bytes: int


class Artifacts:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where an artifact lies. Raises ValueError for anything that is not a hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256")
        return self.folder / sha256[:2] / sha256

    def holds(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def put_bytes(self, content: bytes) -> Stored:
        return self.put_chunks([content])

    def put_file(self, path: Path) -> Stored:
        """Copy a file into the store."""
        with path.open("rb") as source:
            return self.put_chunks(iter(lambda: source.read(1 << 20), b""))

    def put_chunks(self, chunks: Iterable[bytes]) -> Stored:
        digest, size = hashlib.sha256(), 0
        temporary = self.incoming / uuid4().hex
        try:
            with temporary.open("wb") as out:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            return self.adopt(temporary, Stored(digest.hexdigest(), size))
        finally:
            temporary.unlink(missing_ok=True)

    def adopt(self, temporary: Path, stored: Stored) -> Stored:
        """Give an already synced file of this file system its final name."""
        final = self.path(stored.sha256)
        if not final.is_file():
            final.parent.mkdir(exist_ok=True)
            temporary.replace(final)
            for folder in (final.parent, self.folder):
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        return stored

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()

    def sweep(self) -> int:
        """Remove what a crash left half written; returns how many files."""
        old = [p for p in self.incoming.iterdir() if time.time() - p.stat().st_mtime > _STALE_SECONDS]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)
