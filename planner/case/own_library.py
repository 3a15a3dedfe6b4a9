"""The sizing library with files of the owner's: read as documents are, every fault with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from forecasts.fault import Fault
from planner.case.document import DocumentError, read_document
from planner.case.fault import faults_of
from planner.sizing.errors import SizingError
from planner.sizing.library import Library, LibraryFile, open_library


def read_library(own: Sequence[Path] = ()) -> Library:
    """Models and cards that ship, and those of files: a later file's model or card stands for an earlier one's.

    Raises SizingError with every fault of every file.
    """
    parsed: list[LibraryFile] = []
    problems: list[Fault] = []
    for path in own:
        try:
            document = read_document(path, "models and cards")
            parsed.append(LibraryFile.model_validate(document))
        except DocumentError as error:
            problems += [replace(f, where=f"{path}{f.where}") for f in error.faults]
        except OSError as error:
            problems.append(Fault(str(path), error.strerror or str(error), "a YAML file of models and cards"))
        except ValidationError as error:
            shaped = document if isinstance(document, dict) else {}
            problems += [replace(f, where=f"{path}{f.where}") for f in faults_of(error, shaped)]
    if problems:
        raise SizingError(problems)
    return open_library(parsed)
