"""What parent and solve child say to each other: the task, the work's callbacks, and how work fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Protocol

Json = dict[str, Any]
Tell = Callable[[Json], None]

OUT_OF_MEMORY = "solver-out-of-memory"
CRASHED = "solver-crashed"
PAGES = "pages"
"""The folder, beside that of a run's files, in which its child lays what pages show of it, in one folder a language."""


@dataclass(frozen=True)
class Task:
    """kind: which work. request: its parameters. inputs: name → file to read."""

    kind: str
    request: Json = field(default_factory=dict)
    inputs: dict[str, Path] = field(default_factory=dict)

    def to_json(self) -> Json:
        """As the child process reads it."""
        return {
            "kind": self.kind,
            "request": self.request,
            "inputs": {name: str(path.absolute()) for name, path in self.inputs.items()},
        }

    @classmethod
    def from_json(cls, data: Json) -> Task:
        """What `to_json` wrote."""
        return cls(data["kind"], data["request"], {name: Path(path) for name, path in data["inputs"].items()})


class WorkError(Exception):
    """Work that cannot be done, with a problem for the user (`kind` is a slug of `api.jobs.problems`)."""

    def __init__(self, kind: str, detail: str, errors: list[Json] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors = kind, detail, errors or []

    def to_json(self) -> Json:
        """As the parent process reads it."""
        return {"kind": self.kind, "detail": self.detail, "errors": self.errors}


class Work(Protocol):
    """The signature of `run` in a work module: writes its files below `out` and returns the summary (JSON)."""

    def __call__(self, task: Task, out: Path, tell: Tell, stop: Event) -> Json:
        """Do the task and write its files into `out`; the summary of the result."""
