"""What a limit is worth: its field moved by one real unit, the case planned again, the two costs compared.

Prices of a linear program only say where to look: they belong to fractions of modules, to rows of sites that are not
open, and to one of several limits that bind together. So nothing is shown that has not been confirmed: the number in
the case is moved by 1 MW, 1 module, 1 t, 1 % of the budget ..., and what a plan then costs less is the price. One unit
less is tried, too. Limits that are worth nothing by themselves are tried in pairs. What could not be tried in the time
is counted and said, not shown.
"""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from planner.arrays import FloatArray, IntArray
from planner.case import Case, SiteStatus
from planner.case.file import CaseError
from planner.case.movable import LimitField, limit_fields, with_fields
from planner.explain.worth import PROVEN_GAP, Enough, Fractional, Pricing, Replanned, Value, never
from planner.plan import Plan
from planner.program.limit_rows import flat_rows
from planner.solve import Linear
from planner.words.limits import amount, named
from planner.words.wording import Wording, wording

# Up to so many columns the whole case is planned again for every price; it must be proven in this part of the time.
WHOLE_COLUMNS = 20_000
_PROOF_SHARE = 0.5
_NO_PRICE = 1e-9
_MOST_PAIRS = 6
# Prices are compared with what a change costs: more figures than elsewhere.
_FIGURES = 5
# A price is told without its range where the proofs leave open no more than this part of it.
_CLOSE = 0.02
# Of cases with more columns, planning again ends where a worth is known so well, and what is worth less than this part
# of the plan's cost is left out.
_EXACT_COLUMNS = 3_000
_ENOUGH, _SMALL = 1e-2, 1e-4

_COLUMNS = ["family", "pointer", "site", "module_type", "period", "where", "unit", "step", "written", "price", "least",
            "most", "less", "with_pointer", "with_written", "sentence", "sentence_zh", "way", "steps"]  # fmt: skip


@dataclass(frozen=True)
class Prices:
    """Confirmed prices of a plan.

    rows: one for every limit that is worth something. family: kind of limit; pointer, written: the field and its new
    numbers (JSON) with one unit (`step` of `unit`) more room; price: by how much the cost falls then, in the case's
    currency; least, most: the range that the proofs leave; less: by how much it rises with one unit less room
    (infinite: there is no plan then; NaN: not tried, or there is no unit to take away); with_pointer, with_written: the
    other field, where only both together are worth something. way: "whole" (all planned again in whole numbers) or
    "fractions" (sizes of orders in fractions, the rest as planned); "unknown" without rows where neither came to an
    end. untried: moves that may matter and were not tried in the time. least: what is worth less (in `currency`) is
    left out.
    """

    rows: pd.DataFrame
    way: str
    untried: int = 0
    steps: int | None = None
    least: float = 0.0
    currency: str = ""

    def heading(self, words: Wording) -> str:
        """How the prices were found, in one sentence; what stands there when there are none."""
        if self.way == "unknown":
            return words("price.unknown")
        least = words.money(self.least, self.currency, 2, "up") if self.least > 0 else ""
        told = words(f"price.way.{self.way}")
        if not len(self.rows):
            settled = words("price.none.least", least=least) if least else words(f"price.none.{self.way}")
            told = words("price.none.untried") if self.untried else settled
        elif least:
            told = words("price.left_out", told=told, least=least)
        if self.way == "fractions" and self.steps is not None and len(self.rows):
            told = words("price.merged", told=told, steps=self.steps)
        return words("price.untried", told=told, count=self.untried) if self.untried else told

    def to_json(self) -> dict[str, Any]:
        """Rows and how they were found; numbers that are not finite are null."""
        rows = [
            {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in row.items()
            }
            for row in self.rows.to_dict("records")
        ]
        return {
            "rows": rows,
            "way": self.way,
            "untried": self.untried,
            "heading": self.heading(wording("en")),
            "heading_zh": self.heading(wording("zh-CN")),
        }

    def sentences(self, words: Wording) -> list[str]:
        """One sentence a price."""
        return [str(one) for one in self.rows["sentence_zh" if words.chinese else "sentence"]]


@dataclass(frozen=True)
class _Move:
    """One real unit of one field, in a period (or from it on), and how promising it is."""

    field: LimitField
    period: int
    promise: float

    @property
    def step(self) -> float:
        return self.field.unit_step(self.period)

    @property
    def new(self) -> FloatArray:
        return self.field.moved(self.step, self.period)

    @property
    def tighter(self) -> FloatArray | None:
        """The numbers with one unit less room; None where there is no unit to take away."""
        new = self.field.moved(-self.step, self.period)
        moved = np.nansum(np.abs(new - self.field.values))
        return new if math.isclose(moved, np.nansum(np.abs(self.new - self.field.values)), rel_tol=1e-6) else None


@dataclass(frozen=True)
class _Found:
    move: _Move
    worth: float
    least: float
    most: float
    less: float = math.nan
    other: _Move | None = None


def shadow_prices(
    plan: Plan, *, seconds: float = 60.0, whole: bool | None = None, stop: threading.Event | None = None
) -> Prices:
    """Prices of the limits of a plan, largest of each kind first.

    seconds: after so long nothing more is tried. whole: plan everything again in whole numbers (None: where the case is
    small enough to be proven in the time).
    """
    begun = time.monotonic()
    deadline = begun + seconds
    pricing: Pricing | None = None
    columns = int(plan.certificate.get("columns", 0))
    if whole or (whole is None and columns <= WHOLE_COLUMNS):
        part = 1.0 if whole else _PROOF_SHARE
        replanned = Replanned(plan, begun + part * seconds, stop)
        replanned.until(deadline)
        pricing = replanned if replanned.proven else None
    if pricing is None and not whole:
        pricing = Fractional(plan, deadline)
    if pricing is None or not pricing.base.known or pricing.base.impossible:
        return Prices(pd.DataFrame(columns=_COLUMNS), "unknown")
    trial = _Trial(plan, pricing, deadline, stop)
    found, untried = trial.run()
    rows = [_row(plan.case, one, pricing) for one in found]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table = table.sort_values(["family", "price"], ascending=[True, False], kind="stable", ignore_index=True)
    merged = pricing.steps if pricing.steps != plan.demand.days.steps else None
    least = trial.nothing if trial.rough else 0.0
    return Prices(table, pricing.way, untried, merged, least, plan.case.meta.currency)


class _Trial:
    """Moves tried one after the other, the most promising first."""

    def __init__(self, plan: Plan, pricing: Pricing, deadline: float, stop: threading.Event | None) -> None:
        self._plan, self._pricing, self._deadline, self._stop = plan, pricing, deadline, stop
        self._unsettled = 0
        # of larger cases small worths are not told: to prove them takes as long as all the rest
        self.rough = pricing.way == "whole" and int(plan.certificate.get("columns", 0)) > _EXACT_COLUMNS
        self.nothing = (_SMALL if self.rough else 5 * PROVEN_GAP) * max(abs(pricing.base.cost), 1e-9)

    @property
    def _over(self) -> bool:
        return time.monotonic() > self._deadline or (self._stop is not None and self._stop.is_set())

    def run(self) -> tuple[list[_Found], int]:
        moves = candidate_moves(self._plan, self._pricing)
        found: list[_Found] = []
        worthless: list[_Move] = []
        # More room never costs more: one solve with everything loosened tells whether anything matters, and one with
        # all that has no price in a linear program whether any of that does.
        waiting = [[move] for move in moves if move.promise > 0]
        rest = [move for move in moves if move.promise <= 0]
        waiting += [rest] if rest else []
        everything = self._worth(*moves) if len(waiting) > 1 else None
        if everything is not None and everything.most <= self.nothing:
            return [], 0
        while waiting and not self._over:
            group = [m for m in waiting.pop(0) if not self._useless(m, worthless)]
            if not group:
                continue
            one = self._worth(*group)
            if one is not None and one.most <= self.nothing:
                worthless += group
            elif len(group) > 1:
                half = len(group) // 2
                waiting[:0] = [group[:half], group[half:]]
            elif one is not None and one.least > self.nothing:
                found.append(one)
            else:
                self._unsettled += 1
        self._unsettled += sum(len(group) for group in waiting)
        found = self._latest_only(found)
        found += self._pairs(worthless)
        return [self._with_less(one) for one in found], self._unsettled

    @staticmethod
    def _useless(move: _Move, worthless: list[_Move]) -> bool:
        """Whether a change that holds for longer has been worth nothing."""
        field = move.field
        return field.spread == "onward" and any(w.field is field and w.period <= move.period for w in worthless)

    def _value(self, changes: list[tuple[LimitField, FloatArray]], enough: Enough) -> Value:
        try:
            case = with_fields(self._plan.case, changes)
        except CaseError:  # a number that no case may have says nothing about plans
            return Value(np.inf, -np.inf)
        return self._pricing.value(case, enough if self.rough else never)

    def _worth(self, *moves: _Move) -> _Found | None:
        """What moves are worth together; None where that is not known."""
        changes: dict[int, tuple[LimitField, FloatArray]] = {}
        for move in moves:
            field, new = move.field, move.new
            _, before = changes.get(id(field), (field, new))
            changes[id(field)] = (field, np.maximum(before, new) if field.loosens > 0 else np.minimum(before, new))
        base = self._pricing.base

        def enough(value: Value) -> bool:
            """What is worth nothing need not be proven further; of several it is enough that they are worth something,
            of one how much, as near as a price is told."""
            least, open_part = base.bound - value.cost, value.cost - value.bound + base.cost - base.bound
            if base.cost - value.bound <= self.nothing:
                return True
            return least > self.nothing and (len(moves) > 2 or open_part <= _ENOUGH * least)

        new_value = self._value(list(changes.values()), enough)
        if new_value.impossible:
            return None
        cost = min(new_value.cost, base.cost)  # the plan at hand keeps looser limits, too
        other = moves[1] if len(moves) > 1 else None
        return _Found(moves[0], base.cost - cost, base.bound - cost, base.cost - new_value.bound, other=other)

    def _latest_only(self, found: list[_Found]) -> list[_Found]:
        """Of changes that hold from a period on, those that a later beginning does not make good as well."""

        def matched(one: _Found) -> bool:
            return any(
                later.move.field is one.move.field
                and later.move.period > one.move.period
                and later.worth >= one.worth - self.nothing
                for later in found
            )

        return [one for one in found if one.move.field.spread != "onward" or not matched(one)]

    def _pairs(self, worthless: list[_Move]) -> list[_Found]:
        """Limits that are worth nothing by themselves and something together, two by two."""
        left = sorted(worthless, key=lambda m: -m.promise)
        out: list[_Found] = []
        while len(left) > 1 and len(out) < _MOST_PAIRS and not self._over:
            first, others = left[0], left[1:]
            if self._useful(left) is None:
                break  # nor is anything of what is left
            left = others
            # who the first one binds with is found by halving the rest; where it takes several, no pair is told
            while len(others) > 1 and not self._over:
                half = len(others) // 2
                others = next((h for h in (others[:half], others[half:]) if self._useful([first, *h]) is not None), [])
            if len(others) == 1 and others[0].field is not first.field:
                pair = self._useful([first, others[0]])
                out += [pair] if pair is not None else []
        return out

    def _useful(self, moves: list[_Move]) -> _Found | None:
        """What moves are worth together where that is something for certain."""
        one = self._worth(*moves)
        return one if one is not None and one.least > self.nothing else None

    def _with_less(self, one: _Found) -> _Found:
        tighter = one.move.tighter
        if one.other is not None or tighter is None or self._over:
            return one
        base = self._pricing.base

        def told(value: Value) -> bool:
            return value.cost - value.bound + base.cost - base.bound <= _ENOUGH * (value.bound - base.cost)

        value = self._value([(one.move.field, tighter)], told)
        if not value.known:
            return one
        less = math.inf if value.impossible else value.cost - base.cost
        # what the proofs leave open of it must not show
        if not value.impossible and value.cost - value.bound + base.cost - base.bound > _CLOSE * less:
            return one
        return _Found(one.move, one.worth, one.least, one.most, less)


def candidate_moves(plan: Plan, pricing: Pricing) -> list[_Move]:
    """Moves of fields that may bind, the most promising first.

    promise: what one unit would be worth at the prices of a linear program, 0 where it has none there. With whole
    numbers a limit may be in the way all the same, so that everything takes part where all is planned again; but
    nothing of a site that the plan does not open.
    """
    case = plan.case
    duals = pricing.duals()
    opened = set(plan.tables["openings"]["site"])
    closed = {s.id for s in case.sites if s.status is SiteStatus.candidate and s.opening_cost > 0} - opened
    out: list[_Move] = []
    for field in limit_fields(case):
        if field.step is None or field.place.get("site") in closed:
            continue
        at = [(program, linear, flat_rows(program, field)) for program, linear in duals if linear.status == "optimal"]
        for t in range(len(field.values)):
            step = field.unit_step(t)
            if step <= 0 or np.array_equal(field.moved(step, t), field.values, equal_nan=True):
                continue
            periods = range(t, len(field.values)) if field.spread == "onward" else (t,)
            onward = max((sum(_price(linear, rows.get(u)) for u in periods) for _, linear, rows in at), default=0.0)
            if onward > _NO_PRICE or pricing.way == "whole":
                out.append(_Move(field, t, onward * step if onward > _NO_PRICE else 0.0))
    return sorted(out, key=lambda m: (-m.promise, m.period))


def _price(linear: Linear, rows: IntArray | None) -> float:
    return 0.0 if rows is None or not len(rows) else float(np.abs(linear.duals[rows]).sum())


# --- rows and sentences ----------------------------------------------------------------------------------------------


def _row(case: Case, found: _Found, pricing: Pricing) -> dict[str, object]:
    move, field, other = found.move, found.move.field, found.other
    english = wording("en")
    row: dict[str, object] = {
        "family": field.kind,
        "pointer": field.pointer,
        "site": field.place.get("site", ""),
        "module_type": field.place.get("module_type", ""),
        "period": "" if field.spread == "whole" else case.horizon.period_label(move.period),
        "where": f"{named(case, field, english)}{_when(case, move, english)}",
        "unit": field.unit,
        "step": field.loosens * move.step,
        "written": json.dumps(field.written(move.new)),
        "price": found.worth,
        "least": found.least,
        "most": found.most,
        "less": found.less,
        "with_pointer": "" if other is None else other.field.pointer,
        "with_written": "" if other is None else json.dumps(other.field.written(other.new)),
        "way": pricing.way,
        "steps": pricing.steps,
    }
    return row | {"sentence": _sentence(case, found, english), "sentence_zh": _sentence(case, found, wording("zh-CN"))}


def _when(case: Case, move: _Move, words: Wording) -> str:
    """The period of a move, or from which one on; nothing where it holds throughout."""
    label = case.horizon.period_label(move.period)
    if move.field.spread == "each":
        return words("price.in", period=label)
    return words("price.from", period=label) if move.field.spread == "onward" and move.period > 0 else ""


def _unit(move: _Move, words: Wording) -> str:
    """One real unit in words: "1 MW", "1 percentage point", "1 % (450,000 CNY)"."""
    if move.field.unit == "share":
        return words("price.point", points=f"{100 * move.step:.3g}")
    by = amount(move.field, move.step, words)
    share = move.field.relative and move.field.values[move.period] > 0
    return words("price.percent", amount=by) if share else by


def _sentence(case: Case, found: _Found, words: Wording) -> str:
    currency = case.meta.currency

    def spot(move: _Move) -> str:
        what = named(case, move.field, words)
        return words("price.spot", what=what, when=_when(case, move, words), field=move.field.pointer)

    def change(move: _Move, *, more_room: bool) -> str:
        up = (move.field.loosens > 0) == more_room
        return words("price.up" if up else "price.down", by=_unit(move, words))

    figures = _figures(found)
    worth = words.money(found.worth, currency, figures)
    if found.most - found.least > _CLOSE * found.worth:
        least = words.money(found.least, currency, figures, "down")
        most = words.money(found.most, currency, figures, "up")
        worth = words("price.range", worth=worth, least=least, most=most)
    first = change(found.move, more_room=True)
    if found.other is not None:
        second = change(found.other, more_room=True)
        return words("price.together", a=spot(found.move), b=spot(found.other), first=first, second=second, worth=worth)
    told = words("price.one", spot=spot(found.move), change=first, worth=worth)
    if math.isnan(found.less):
        return words("price.end", told=told)
    back = change(found.move, more_room=False)
    if math.isinf(found.less):
        return words("price.no_less", told=told, change=back)
    cost = words.money(found.less, currency, figures)
    if cost == worth:
        return words("price.same", told=told, change=back)
    return words("price.less", told=told, change=back, cost=cost)


def _figures(found: _Found) -> int:
    """As many figures as the proofs bear out, two at least."""
    open_part = (found.most - found.least) / found.worth
    return _FIGURES if open_part <= 0 else min(max(math.floor(-math.log10(open_part)), 2), _FIGURES)
