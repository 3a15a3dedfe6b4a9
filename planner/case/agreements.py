"""Agreements with a supplier: prices that fall with the volume called off, and a commitment to call off so much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import Field, ValidationInfo, model_validator

from planner.case.fault import CrossFault
from planner.case.fields import FIELDS_ONLY, Block, Count, Flag, Id, NonNegative, Share


class PriceBreak(Block):
    """From so many modules called off in an agreement on, a module costs so much less than its `capex`.

    It counts for everything ordered in the period in which the volume, with that period's own orders, reaches
    `from_modules`, and in every later one of the agreement. 0: from the first module.
    """

    from_modules: Count
    discount: Share


class Agreement(Block):
    """Modules of some types, ordered in the periods `first` to `last` (None: to the end), counted together.

    breaks: what they cost less by volume, rising in both. commitment: modules that are called off at least, once the
    agreement is signed; of what is missing at the end `shortfall_price` a module is paid, in the period `last`.
    With a commitment, signing is a decision of the plan, taken in `first`, unless `signed` says that it was taken;
    without one the agreement costs nothing and holds. called_off: modules that count before the horizon begins.
    """

    id: Id
    module_types: Annotated[list[Id], Field(min_length=1)]
    first: Count = 0
    last: Count | None = None
    breaks: list[PriceBreak] = []
    commitment: Count = 0
    shortfall_price: NonNegative = 0
    signed: Flag = False
    called_off: Count = 0

    def until(self, periods: int) -> int:
        """The last period in which orders count."""
        return periods - 1 if self.last is None else self.last

    @property
    def in_force(self) -> bool:
        """Whether it holds whatever the plan decides."""
        return self.signed or not self.commitment

    @model_validator(mode="after")
    def _rises(self, info: ValidationInfo) -> Agreement:
        if info.context == FIELDS_ONLY:
            return self
        twice = sorted({k for k in self.module_types if self.module_types.count(k) > 1})
        if twice:
            raise ValueError(f"module_types {', '.join(twice)} twice; allowed: each once")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last {self.last} before first {self.first}; allowed: {self.first} or later")
        steps = [(b.from_modules, b.discount) for b in self.breaks]
        if any(n >= m or d >= e for (n, d), (m, e) in pairwise(steps)):
            found = ", ".join(f"{n}: {d:g}" for n, d in steps)
            raise ValueError(f"breaks {found}; allowed: from_modules and discount that rise from one to the next")
        return self


def agreement_faults(agreements: Iterable[tuple[int, Agreement]], periods: int) -> Iterator[CrossFault]:
    """Spans beyond the horizon, and types that would be counted in two agreements at one time."""
    held: dict[tuple[str, int], str] = {}
    for i, one in agreements:
        for name in ("first", "last"):
            value = getattr(one, name)
            if value is not None and value >= periods:
                found = f"period {value}; the horizon has {periods}"
                yield CrossFault(("agreements", i, name), found, f"0 to {periods - 1}", "beyond_horizon", value)
        for n, kind in enumerate(one.module_types):
            span = range(one.first, min(one.until(periods), periods - 1) + 1)
            other = next((held[kind, t] for t in span if (kind, t) in held), None)
            if other is not None:
                at = ("agreements", i, "module_types", n)
                found = f"{kind} in {one.id} and {other} in the same periods"
                yield CrossFault(at, found, "one agreement of a type at a time", "two_agreements", kind)
            held |= {(kind, t): one.id for t in span}
