"""What goes wrong in sizing, said with place, finding and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from forecasts.fault import Fault, FaultsError

REASONS = {
    "unknown": "{what} not known",
    "weights": "weights take {need} GiB a card, {have} GiB are free",
    "memory": "memory holds {room} requests at once, {wanted} wanted",
    "alone": "a single request has TTFT {ttft} ms and TPOT {tpot} ms",
    "replicas": "no {most} replicas keep P{percentile}",
    "room": "no room for one request",
    "pile_up": "requests pile up",
}


@dataclass(frozen=True)
class Reason:
    """Why a card or layout will not do: key of `REASONS` and what fills it, so that it can be said in any language."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)
    layout: str = ""

    def __str__(self) -> str:
        said = REASONS[self.key].format(**self.values)
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
