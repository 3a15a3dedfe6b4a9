"""What a verification says: one record a check, and the book in which the checks are written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from planner.words.wording import wording

_SENSE = {"most": "at most", "least": "at least", "equal": "exactly"}


@dataclass(frozen=True)
class Check:
    """One limit or sum, recomputed from case, demand and tables.

    id: stable name; `formula` is the bold name in docs/model.md that it belongs to (empty: a rule of the tables).
    rows: how many instances were looked at; 0 when the case has nothing of the kind.
    largest: the largest violation in the limit's own unit, relative: the same over max(1, |left|, |right|).
    where: in the words of the case, where the largest violation stands, with what was found and what is allowed.
    """

    id: str
    sentence: str
    formula: str
    rows: int
    largest: float
    relative: float
    where: str
    ok: bool


@dataclass(frozen=True)
class Verification:
    """The verdict on a plan.

    checks: every check, in the order of docs/model.md.
    costs: future, term, discounted (currency), recomputed.
    future_cost: (futures,) discounted cost of each future.
    objective: recomputed from `future_cost` with the case's risk measure, currency.
    """

    checks: tuple[Check, ...]
    costs: pd.DataFrame
    future_cost: NDArray[np.float64]
    objective: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """Checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def largest(self) -> float:
        """The largest relative violation of any check."""
        return max((check.relative for check in self.checks), default=0.0)

    def require(self) -> Verification:
        """Itself when every check holds; raises VerificationError with all that do not."""
        if not self.ok:
            raise VerificationError(self)
        return self

    def frame(self) -> pd.DataFrame:
        """One row a check, for the plan's tables, files and pages."""
        return pd.DataFrame([check.__dict__ for check in self.checks], columns=list(Check.__dataclass_fields__))


class VerificationError(ValueError):
    """A plan that breaks its own case. `verification` holds every check."""

    def __init__(self, verification: Verification) -> None:
        self.verification = verification
        lines = [
            f"{c.id}: {c.sentence} Broken by {c.largest:.6g} (relative {c.relative:.2e}) at {c.where}"
            for c in verification.broken
        ]
        super().__init__(f"the plan breaks {len(lines)} of its checks:\n" + "\n".join(lines))


class Book:
    """Collects checks; every id is known from the start, so that nothing that was not looked at can look fine.

    labels: for each axis name the words for its positions.
    """

    def __init__(self, formula_of: Mapping[str, str], labels: Mapping[str, Sequence[str]], tolerance: float) -> None:
        self.labels = labels
        self.tolerance = tolerance
        words = wording("en")
        self._checks = {
            id: Check(id, words(f"check.{id}"), formula, 0, 0.0, 0.0, "", True) for id, formula in formula_of.items()
        }

    def checks(self) -> tuple[Check, ...]:
        """All of them, in the catalogue's order."""
        return tuple(self._checks.values())

    def _record(self, id: str, rows: int, largest: float, relative: float, where: str, ok: bool) -> None:
        old = self._checks[id]
        if not (relative > old.relative):
            largest, relative, where = old.largest, old.relative, old.where
        self._checks[id] = replace(
            old, rows=old.rows + rows, largest=largest, relative=relative, where=where, ok=old.ok and ok
        )

    def place(self, axes: Iterable[str], position: Iterable[int]) -> str:
        """A position in the words of the case."""
        return ", ".join(f"{axis} {self.labels[axis][i]}" for axis, i in zip(axes, position, strict=True))

    def limit(
        self,
        id: str,
        left: ArrayLike,
        sense: str,
        right: ArrayLike,
        axes: Sequence[str],
        *,
        at: str = "",
        where: ArrayLike | None = None,
    ) -> None:
        """Record left <= right ("most"), left >= right ("least") or left == right ("equal").

        left, right and the mask `where` (what counts) broadcast to one shape with an axis for every name in `axes`;
        `at` are words that go before the place. An infinite right side is no limit. NaN is a violation.
        """
        a, b = np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float))
        keep = np.broadcast_to(np.asarray(True if where is None else where, bool), a.shape)
        if sense != "equal":
            keep = keep & ~np.isinf(b)
        rows = int(keep.sum())
        if rows == 0:
            return
        with np.errstate(invalid="ignore"):
            gap = {"most": a - b, "least": b - a, "equal": np.abs(a - b)}[sense]
            relative = gap / np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
        relative = np.where(np.isnan(relative), np.inf, np.maximum(relative, 0.0))
        relative = np.where(keep, relative, -1.0)
        worst = np.unravel_index(int(relative.argmax()), a.shape)
        top = float(relative[worst])
        if top <= 0:
            self._record(id, rows, 0.0, 0.0, "", True)
            return
        text = self.place(axes, [int(i) for i in worst])
        text = ", ".join(part for part in (at, text) if part)
        text += f": found {a[worst]:.9g}, allowed {_SENSE[sense]} {b[worst]:.9g}"
        self._record(id, rows, float(np.abs(gap[worst])), top, text, top <= self.tolerance)

    def rule(self, id: str, rows: int, broken: int, size: float, where: str) -> None:
        """Record a rule that rows of a table keep or break: how many do, and the worst of them."""
        self._record(id, rows, size if broken else 0.0, size if broken else 0.0, where if broken else "", broken == 0)
