"""A number of a sound case that looks wrong, said in both languages from the planner's catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from forecasts.words.note import Note, note, parted
from planner.case.fault import Location, pointer_of


@dataclass(frozen=True)
class CaseWarning:
    """A number that looks wrong: where it stands, what was found, what is usual."""

    pointer: str
    found: Note
    usual: Note
    kind: str

    @property
    def message(self) -> Note:
        """The warning in one line."""
        return note("odd.message", "planner", place=self.pointer or "/", found=self.found, usual=self.usual)

    def __str__(self) -> str:
        return self.message


def case_warning(location: Location, kind: str, key: str = "", /, **values: object) -> CaseWarning:
    """The warning of a key (that of its kind, if none is named) with its values, which may be notes."""
    found, usual = parted(f"odd.{key or kind}", "planner", **values)
    return CaseWarning(pointer_of(location), found, usual, kind)
