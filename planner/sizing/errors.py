"""What goes wrong in sizing, said with place, finding and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from forecasts.fault import Fault, FaultsError


class SizingError(FaultsError):
    """A sizing question that has no answer as it stands."""


def refuse(where: str, found: str, allowed: str) -> SizingError:
    return SizingError([Fault(where, found, allowed)])


def near(known: Iterable[str], wanted: str) -> str:
    """Which names are allowed: those near the wanted one, else all."""
    names = sorted(set(known))
    return f"one of {', '.join(difflib.get_close_matches(wanted, names, 3, 0.5) or names)}"
