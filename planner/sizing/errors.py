"""What goes wrong in sizing, said with place, finding and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: where it is, what was found there, what is allowed."""

    where: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; allowed: {self.allowed}"


class SizingError(ValueError):
    """A sizing question that has no answer as it stands; `problems` holds every fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


def refuse(where: str, found: str, allowed: str) -> SizingError:
    return SizingError([Problem(where, found, allowed)])


def near(known: Iterable[str], wanted: str) -> str:
    """Which names are allowed: those near the wanted one, else all."""
    names = sorted(set(known))
    return f"one of {', '.join(difflib.get_close_matches(wanted, names, 3, 0.5) or names)}"
