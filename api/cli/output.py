"""Folders that commands write into, and what a command says of itself in what it writes."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.plan.folders import Output
    from planner.words.wording import Wording


@contextmanager
def output_folder(folder: Path, names: Sequence[str], text: Wording) -> Iterator[Output]:
    """`results_in` of `planner.plan.folders`; a command that fails says where it has set former results aside."""
    from api.cli import console
    from planner.plan.folders import results_in

    with results_in(folder, names) as output:
        try:
            yield output
        except BaseException:
            if output.former is not None:
                console.say(text("cli.former", folder=output.former))
            raise


@contextmanager
def output_or_none(folder: Path | None, names: Sequence[str], text: Wording) -> Iterator[Output | None]:
    """The same for a command that writes only where it is asked to."""
    if folder is None:
        yield None
        return
    with output_folder(folder, names, text) as output:
        yield output


@contextmanager
def output_file(path: Path) -> Iterator[Callable[[Callable[[Path], object]], None]]:
    """A file that appears whole or not at all: call what is yielded with a function that writes it."""
    from planner.plan.folders import result_file

    with result_file(path) as fill:
        yield fill


def command_line() -> str:
    """What was typed, as a shell would take it."""
    return shlex.join(["tideplan", *sys.argv[1:]])


def of_history(path: Path) -> dict[str, Any]:
    """A history's name and the hash of its file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"history": {"name": path.name, "sha256": digest}}
