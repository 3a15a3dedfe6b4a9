"""Content-addressed files: named by their SHA-256, written once, never changed.

A file becomes visible by an atomic rename after its bytes and its folder are on the disk, so a crash leaves either the
whole artifact or a temporary file that `sweep` removes.

Nothing is handed out unseen: `checked` and `read` compare a file with its name, and what is damaged or missing is an
ArtifactError instead of an input. Storing the same content again puts a damaged file right.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Stored:
    """A stored artifact: its hash and its size in bytes."""

    sha256: str
    bytes: int


class ArtifactError(Exception):
    """A stored file that cannot be used: it is gone, or its content is not the one that it is named by."""

    def __init__(self, sha256: str, fault: Literal["damaged", "missing"]) -> None:
        self.sha256, self.fault = sha256, fault
        what = "is not there" if fault == "missing" else "has another content than it was stored with"
        super().__init__(f"The stored file {sha256} {what}.")


def hash_of(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Artifacts:
    def __init__(self, folder: Path, *, for_writing: bool = True) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        if for_writing:
            self.incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where an artifact lies. Raises ValueError for anything that is not a hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256")
        return self.folder / sha256[:2] / sha256

    def fault(self, sha256: str) -> ArtifactError | None:
        """What is wrong with an artifact, if anything; reads the whole file."""
        path = self.path(sha256)
        if not path.is_file():
            return ArtifactError(sha256, "missing")
        try:
            right = hash_of(path) == sha256
        except OSError as fault:
            if fault.errno != errno.EIO:  # what the disk cannot read any more is damaged as well
                raise
            right = False
        return None if right else ArtifactError(sha256, "damaged")

    def checked(self, sha256: str) -> Path:
        """The file of an artifact, right now found to be what its name says. Raises ArtifactError."""
        fault = self.fault(sha256)
        if fault is not None:
            raise fault
        return self.path(sha256)

    def names(self) -> Iterator[str]:
        """Every artifact that lies here, in a fixed order."""
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(path.name for path in folder.iterdir() if _SHA256.fullmatch(path.name))

    def put_bytes(self, content: bytes) -> Stored:
        """Keep bytes under their hash."""
        return self.put_chunks([content])

    def put_file(self, path: Path) -> Stored:
        """Copy a file into the store."""
        with path.open("rb") as source:
            return self.put_chunks(iter(lambda: source.read(1 << 20), b""))

    def put_chunks(self, chunks: Iterable[bytes]) -> Stored:
        """Keep a stream of bytes under its hash."""
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
        if self.fault(stored.sha256) is not None:  # new, or there but damaged: what is stored now is right
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
        """The content of an artifact. Raises ArtifactError."""
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError as fault:
            raise ArtifactError(sha256, "missing") from fault
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ArtifactError(sha256, "damaged")
        return content

    def sweep(self) -> int:
        """Remove what a crash left half written; returns how many files."""
        old = [p for p in self.incoming.iterdir() if time.time() - p.stat().st_mtime > _STALE_SECONDS]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)
