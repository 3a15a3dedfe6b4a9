"""What goes wrong in sizing, said with place, finding and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from forecasts.fault import Fault, FaultsError
from forecasts.words.note import note


@dataclass(frozen=True)
class Reason:
    """Why a card or layout will not do: key of a sentence `size.reason` and what fills it, in any language."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)
    layout: str = ""

    def __str__(self) -> str:
        said = note(f"size.reason.{self.key}", "planner", **self.values)
        return f"{self.layout}: {said}" if self.layout else said


class SizingError(FaultsError):
    """A sizing question that has no answer as it stands. reasons: what was found, where it is said of cards."""

    reasons: tuple[Reason, ...] = ()


def refuse(where: str, found: str | Reason | Sequence[Reason], allowed: str) -> SizingError:
    """The error that says why sizing cannot answer."""
    if isinstance(found, str):
        return SizingError([Fault(where, found, allowed)])
    reasons = (found,) if isinstance(found, Reason) else tuple(found)
    error = SizingError([Fault(where, "; ".join(str(r) for r in reasons), allowed)])
    error.reasons = reasons
    return error


def near(known: Iterable[str], wanted: str) -> str:
    """Which names are allowed: those near the wanted one, else all."""
    names = sorted(set(known))
    return f"one of {', '.join(difflib.get_close_matches(wanted, names, 3, 0.5) or names)}"
