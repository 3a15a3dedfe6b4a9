"""What is made on demand in a child from immutable inputs, and kept: reports, contents of pages, prices, examples.

An entry is a folder with the files that the child wrote and their hashes. It may be deleted at any time, and one that
has rotted is made again: nobody is shown what was not made. Who asks for the same while it is being made waits for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call, files_below
from api.jobs.task import Task
from api.service.slots import Slots
from api.store.artifacts import Artifacts, hash_of
from api.store.runs import Run
from api.store.settings import Settings
from api.store.version import VERSION

FORMAT = 6
"""Raise it when something that is kept gets another shape: what was kept in the old one is then made again."""
RESULT = "result.json"
_HASHES = "hashes.json"


def page_name(id: str, what: str, language: str) -> str:
    """The entry of what a page shows of a run or a history."""
    return f"{id}.{what}.{language}"


@dataclass(frozen=True)
class Recipe:
    """What a child is told: kind and request, artifacts by name; `unpacked`: finished runs, whose files lie in a folder
    that is the input of that name."""

    kind: str
    request: dict[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    unpacked: tuple[tuple[str, Run], ...] = ()
    module: str | None = None


class Kept:
    """The entries below `cache/` of a data folder. `work_folder` is where the children work."""

    def __init__(self, settings: Settings, artifacts: Artifacts, slots: Slots, work_folder: Path) -> None:
        self.settings, self.artifacts, self.slots, self.work_folder = settings, artifacts, slots, work_folder
        self.folder = settings.data_folder / "cache" / VERSION / f"made-{FORMAT}"
        self._lock = Lock()
        self._making: dict[str, Lock] = {}
        self._asking: Counter[str] = Counter()

    def file(self, name: str, path: str) -> Path | None:
        """A file of an entry; None when it was not made yet, has no such file, or has rotted (it is then removed)."""
        entry = self.folder / name
        try:
            hashes: dict[str, str] = json.loads((entry / _HASHES).read_text(encoding="utf-8"))
            if path not in hashes:
                return None
            if hash_of(entry / path) == hashes[path]:
                return entry / path
        except FileNotFoundError:
            if not entry.exists():
                return None
        except ValueError:
            pass
        shutil.rmtree(entry, ignore_errors=True)
        return None

    def made(self, name: str, path: str, recipe: Recipe, owner: str) -> Path:
        """A file of an entry, which is made unless it is there.

        Raises ProblemError when it cannot be made, ArtifactError when what it is made from is damaged.
        """
        found = self.file(name, path)
        if found is not None:
            return found
        with self.slots.counted(owner), self._alone(name):
            found = self.file(name, path)
            if found is None:
                with self.slots.working():
                    self._make(name, recipe)
                found = self.file(name, path)
        if found is None:
            raise ProblemError("internal", f"It was made without {path}.")
        return found

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with self._lock:
            own = self._making.setdefault(name, Lock())
            self._asking[name] += 1
        try:
            with own:
                yield
        finally:
            with self._lock:
                self._asking[name] -= 1
                if not self._asking[name]:
                    del self._asking[name], self._making[name]

    def _make(self, name: str, recipe: Recipe) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".result-", dir=self.folder) as here:
            inputs = {key: self.artifacts.checked(sha256) for key, sha256 in recipe.inputs.items()}
            inputs |= {key: self._linked(run, Path(here) / key) for key, run in recipe.unpacked}
            ended, files = call(
                Task(recipe.kind, recipe.request, inputs),
                self.work_folder,
                module=recipe.module or self.settings.work_module,
                memory_mb=self.settings.solve_memory_mb,
                seconds=self.settings.read_seconds_max,
            )
        if ended.result is None:
            kind = ended.kind if ended.kind in PROBLEMS else "internal"
            raise ProblemError(kind, ended.detail, errors=[*ended.errors])
        files[RESULT] = json.dumps(ended.result, ensure_ascii=False).encode()
        self._put(name, files)

    def adopt_pages(self, run: Run, folder: Path) -> None:
        """Keep what a run's own child has made of its pages at its end: in `folder` one folder a language."""
        for language in folder.iterdir() if folder.is_dir() else ():
            files = {path: file.read_bytes() for path, file in files_below(language)}
            if files:
                self._put(page_name(run.id, run.kind, language.name), files)

    def forget(self, id: str) -> None:
        """Take out what was made of a run that is deleted, alone or beside another."""
        for entry in self.folder.glob(f"*{id}[.+]*"):
            shutil.rmtree(entry, ignore_errors=True)

    def _put(self, name: str, files: Mapping[str, bytes]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".making-", dir=self.folder) as here:
            draft = Path(here) / "entry"
            for path, content in files.items():
                (draft / path).parent.mkdir(parents=True, exist_ok=True)
                (draft / path).write_bytes(content)
            hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
            (draft / _HASHES).write_text(json.dumps(hashes), encoding="utf-8")
            with suppress(OSError):  # another server of ours has made it meanwhile
                draft.rename(self.folder / name)

    def _linked(self, run: Run, folder: Path) -> Path:
        """The files of a finished run, as links to checked artifacts: a folder that `Plan.load` reads."""
        for name, entry in (run.files or {}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(self.artifacts.checked(entry["sha256"]).absolute(), path)
        return folder
