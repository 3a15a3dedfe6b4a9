"""Folders that results go into: opened before the work, filled aside, and moved in whole when the work is done.

What an earlier run left there is set aside as soon as a run begins, so that one that fails leaves nothing that looks
like its own; it is removed when the new results stand. Results that do not fit on the disk are kept where there is
room.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from forecasts.fault import Fault

FORMER = "former"
_PROBE_BYTES = 1 << 16


class OutputError(OSError):
    """Results cannot be written: where, why, and where they are kept instead (None: nowhere)."""

    def __init__(self, folder: Path, reason: str, kept: Path | None = None) -> None:
        self.folder, self.reason, self.kept = folder, reason, kept
        remedy = f"the results are kept in {kept}" if kept else ""
        self.faults = (Fault(str(folder), reason, "a folder with room that can be written", remedy=remedy),)
        super().__init__(f"{folder}: {reason}" + (f"; the results are kept in {kept}" if kept else ""))


@dataclass
class Output:
    """A folder that is being filled. former: where results of an earlier run were set aside, if there were any."""

    folder: Path
    former: Path | None = None
    _moved: list[str] = field(default_factory=list)
    _made: list[Path] = field(default_factory=list)
    _done: bool = False

    def fill(self, write: Callable[[Path], object]) -> None:
        """Let `write` fill an empty folder, and move what it wrote in here, the newest files over older ones.

        Raises OutputError when it cannot be written; `kept` then tells where the results are.
        """
        try:
            draft = _draft(self.folder)
            try:
                write(draft)
                for entry in sorted(draft.iterdir(), key=lambda one: one.suffix == ".json"):  # heads come last
                    _move(entry, self.folder / entry.name)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError as error:
            raise OutputError(self.folder, _reason(error), _elsewhere(write)) from error
        self._done = True

    def _set_aside(self, names: Sequence[str]) -> None:
        there = [name for name in names if (self.folder / name).exists() or (self.folder / name).is_symlink()]
        if not there:
            return
        number = 1
        while (self.folder / (name := FORMER if number == 1 else f"{FORMER}-{number}")).exists():
            number += 1
        self.former = self.folder / name
        self.former.mkdir()
        for entry in sorted(there, key=lambda one: not one.endswith(".json")):  # heads go first
            (self.folder / entry).replace(self.former / entry)

    def _close(self) -> None:
        if self._done and self.former is not None:
            shutil.rmtree(self.former, ignore_errors=True)
            self.former = None
        if not self._done:
            for made in reversed(self._made):
                with suppress(OSError):
                    made.rmdir()  # only where it is still empty


@contextmanager
def results_in(folder: Path, names: Sequence[str] = ()) -> Iterator[Output]:
    """Open a folder for results. names: what an earlier run may have left there.

    Raises OutputError at once when nothing can be written there. On the way out, what was set aside is removed if
    `fill` was done, and stays otherwise.
    """
    folder = Path(folder)
    output = Output(folder, _made=[one for one in (folder, *folder.parents) if not one.exists()][::-1])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _draft(folder)
        try:
            with (probe / "probe").open("wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            shutil.rmtree(probe, ignore_errors=True)
        output._set_aside(names)
    except OSError as error:
        output._close()
        raise OutputError(folder, _reason(error)) from error
    try:
        yield output
    finally:
        output._close()


@contextmanager
def result_file(path: Path) -> Iterator[Callable[[Callable[[Path], object]], None]]:
    """The same for a single file: yields what takes a writer of one. A former file is set aside as `NAME.former`."""
    path = Path(path)
    former = path.with_name(f"{path.name}.{FORMER}")
    if path.is_dir():
        raise OutputError(path, "a folder stands there")
    with results_in(path.parent) as output:
        try:
            if path.exists():
                path.replace(former)
        except OSError as error:
            raise OutputError(path, _reason(error)) from error

        def fill(write: Callable[[Path], object]) -> None:
            output.fill(lambda draft: write(draft / path.name))
            former.unlink(missing_ok=True)

        yield fill


def _draft(folder: Path) -> Path:
    draft = folder / f".draft-{uuid4().hex}"
    draft.mkdir()
    return draft


def _move(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    source.replace(target)


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return "a file stands there"
    return error.strerror or str(error)


def _elsewhere(write: Callable[[Path], object]) -> Path | None:
    """A new folder that holds the results: where temporary files go, at home, or here; None where none has room."""
    for place in (Path(tempfile.gettempdir()), Path.home(), Path.cwd()):
        made: str | None = None
        try:
            made = tempfile.mkdtemp(prefix="tideplan-kept-", dir=place)
            write(Path(made))
        except OSError:
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)
        else:
            return Path(made)
    return None
