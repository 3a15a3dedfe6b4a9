"""One record for every decision column of the master.

What carries decisions from one place to another (a plan's tables to a warm start, a comparison to its recourse, a
plan to its prices) asks these records instead of keeping a list of names: a decision that is not here cannot be made
(`Master.decide`), and one that is here is lost by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.arrays import FloatArray
from planner.case import Case
from planner.program.agreements import find_agreements
from planner.program.departures import find_departures
from planner.program.instance import standing_after, standing_modules

Role = Literal["bought", "released", "leased", "scheduled", "switch", "state"]
"""bought: paid for and kept. released: leaves and does not come back. leased: ends by its own terms.
scheduled: what runs where. switch: yes or no, follows from other decisions. state: follows from the others by the rows;
may be a fraction."""

Size = Literal["great", "near", "switch"]
"""How the search treats it: a great choice is held while its neighbourhood is searched, near ones move by a width,
switches follow."""

Values = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Source:
    """Where a plan's tables hold a decision: the table, the column of its amount (None: a row says yes), and the column
    of each index after the branch, in order."""

    table: str
    amount: str | None
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """id: name of the master's columns. index: sets after the branch. whole: in whole numbers.

    source: where tables hold it. follows: how it is worked out from the decisions named in `of`, (branches, ...) each;
    what stands in no table is read so, and after a change of those all are (`completed`). size, weight: for the search
    (weight in modules: how far a change of one is). held_for_prices: kept as planned while limits are priced.
    """

    id: str
    index: tuple[str, ...]
    role: Role
    whole: bool = True
    source: Source | None = None
    of: tuple[str, ...] = ()
    follows: Callable[[Case, Values], FloatArray] | None = None
    size: Size = "near"
    weight: float = 1.0
    held_for_prices: bool = False

    def __post_init__(self) -> None:
        if self.source is None and self.follows is None:
            raise ValueError(f"decision {self.id}: it stands in a table or follows from others")


def _charged(_case: Case, values: Values) -> FloatArray:
    return np.asarray(values["orders"] > 0, float)


def _standing_with(case: Case, values: Values) -> FloatArray:
    """stock_skt = standing_skt + sum_{tau <= t < tau + life_k} orders_sk,tau - what left + what was moved there"""
    T, gone = case.horizon.periods, find_departures(case)
    alive = np.stack([standing_after(np.arange(T), k.life_periods, T) for k in case.module_types])
    stands = standing_modules(case) + np.einsum("bsku,kut->bskt", values["orders"], alive)
    leaving = np.asarray(values["departures"], float)
    return np.asarray(stands - gone.left(leaving) + gone.moved(leaving), float)


def _present(case: Case, values: Values) -> FloatArray:
    leased = np.zeros_like(values["stock"])
    sites, types = [s.id for s in case.sites], [k.id for k in case.module_types]
    for i, lease in enumerate(case.leases):
        leased[:, sites.index(lease.site), types.index(lease.module_type)] += values["lease_active"][:, i]
    return np.asarray(values["stock"] + leased > _TRACE, float)


def _reached(case: Case, values: Values) -> FloatArray:
    return find_agreements(case).reached(np.round(values["orders"]), values["agreement_signed"])


def _discounted(case: Case, values: Values) -> FloatArray:
    return find_agreements(case).discounted(np.round(values["orders"]), values["break_reached"])


def _missing(case: Case, values: Values) -> FloatArray:
    return find_agreements(case).missing(np.round(values["orders"]), values["agreement_signed"])


def _placed(_case: Case, values: Values) -> FloatArray:
    return np.asarray(values["campaign_on"].max(axis=-1, initial=0.0), float)


_TRACE = 1e-6
_PLACE = ("site", "module_type", "period")

DECISIONS: dict[str, Decision] = {
    d.id: d
    for d in (
        Decision(
            "orders", _PLACE, "bought", source=Source("orders", "modules", ("site", "module_type", "arrival_period"))
        ),
        Decision(
            "order_on",
            _PLACE,
            "switch",
            of=("orders",),
            follows=_charged,
            size="switch",
            weight=0.0,
            held_for_prices=True,
        ),
        Decision(
            "agreement_signed",
            ("agreement",),
            "bought",
            source=Source("agreements", "signs", ("agreement",)),
            size="great",
            weight=50.0,
            held_for_prices=True,
        ),
        Decision(
            "break_reached",
            ("break", "period"),
            "switch",
            of=("orders", "agreement_signed"),
            follows=_reached,
            size="switch",
            weight=0.0,
            held_for_prices=True,
        ),
        Decision(
            "discounted",
            ("break", "module_type", "period"),
            "state",
            whole=False,
            of=("orders", "break_reached"),
            follows=_discounted,
        ),
        Decision(
            "commitment_missing",
            ("agreement",),
            "state",
            whole=False,
            of=("orders", "agreement_signed"),
            follows=_missing,
        ),
        Decision(
            "phases",
            ("phase", "period"),
            "bought",
            source=Source("phases", "count", ("phase", "arrival_period")),
            size="great",
            weight=20.0,
        ),
        Decision(
            "openings",
            ("site", "period"),
            "bought",
            source=Source("openings", None, ("site", "period")),
            size="great",
            weight=50.0,
            held_for_prices=True,
        ),
        Decision(
            "departures",
            ("departure", "period"),
            "released",
            source=Source("departures", "modules", ("to_site", "period")),
        ),
        Decision("lease_start", ("lease", "period"), "leased", source=Source("leases", "started", ("lease", "period"))),
        Decision(
            "lease_active",
            ("lease", "period"),
            "leased",
            source=Source("leases", "active", ("lease", "period")),
        ),
        Decision(
            "gangs",
            ("training", *_PLACE),
            "scheduled",
            source=Source("gangs", "gangs", ("workload", *_PLACE)),
            held_for_prices=True,
        ),
        Decision(
            "large_pool",
            ("workload", *_PLACE),
            "scheduled",
            source=Source("pools", None, ("workload", *_PLACE)),
            size="switch",
            held_for_prices=True,
        ),
        # the gangs that the build-ahead floor counts on; the ratio of a plan says with which it is reached
        Decision(
            "ahead_gangs",
            ("training", *_PLACE),
            "scheduled",
            source=Source("ratio_gangs", "gangs", ("workload", *_PLACE)),
            weight=0.0,
            held_for_prices=True,
        ),
        Decision(
            "campaign_on",
            ("campaign", *_PLACE),
            "scheduled",
            source=Source("campaigns", "on", ("campaign", *_PLACE)),
            size="great",
            weight=100.0,
            held_for_prices=True,
        ),
        Decision(
            "campaign_place",
            ("campaign", "site", "module_type"),
            "scheduled",
            of=("campaign_on",),
            follows=_placed,
            size="great",
            weight=400.0,
            held_for_prices=True,
        ),
        Decision(
            "campaign_share",
            ("campaign", *_PLACE),
            "state",
            whole=False,
            source=Source("campaigns", "share", ("campaign", *_PLACE)),
        ),
        Decision(
            "campaign_unfinished",
            ("campaign",),
            "state",
            whole=False,
            source=Source("unfinished", "share", ("campaign",)),
        ),
        Decision(
            "stock",
            _PLACE,
            "state",
            whole=False,
            source=Source("stock", "owned", _PLACE),
            of=("orders", "departures"),
            follows=_standing_with,
        ),
        Decision(
            "type_present",
            _PLACE,
            "switch",
            of=("stock", "lease_active"),
            follows=_present,
            size="switch",
            weight=0.0,
            held_for_prices=True,
        ),
    )
}


def whole_decisions() -> tuple[str, ...]:
    """What the owner decides in whole numbers, switches included."""
    return tuple(d.id for d in DECISIONS.values() if d.whole)


def purchases() -> tuple[str, ...]:
    """What is bought and kept, with the switches that follow from purchases alone."""
    bought = {d.id for d in DECISIONS.values() if d.role == "bought"}
    return tuple(d.id for d in DECISIONS.values() if d.id in bought or (d.role == "switch" and set(d.of) <= bought))


def placed_decisions() -> tuple[str, ...]:
    """Whole decisions by site, type and period (the last three indices) that are no great choices."""
    return tuple(d.id for d in DECISIONS.values() if d.whole and d.size != "great" and d.index[-3:] == _PLACE)


def of_size(size: Size) -> tuple[str, ...]:
    """Whole decisions that the search treats so."""
    return tuple(d.id for d in DECISIONS.values() if d.whole and d.size == size)


def held_for_prices() -> tuple[str, ...]:
    """Decisions that prices hold as planned."""
    return tuple(d.id for d in DECISIONS.values() if d.held_for_prices)


def followed(case: Case, values: Values) -> dict[str, FloatArray]:
    """The values, (branches, ...) by name, and what stands in no table but follows from them."""
    return _worked_out(case, values, [d for d in DECISIONS.values() if d.source is None])


def completed(case: Case, values: Values) -> dict[str, FloatArray]:
    """Values of which some were changed, with all that follows from others worked out again. (branches, ...) each."""
    return _worked_out(case, values, list(DECISIONS.values()))


def _worked_out(case: Case, values: Values, wanted: list[Decision]) -> dict[str, FloatArray]:
    out = dict(values)
    for decision in wanted:
        if decision.follows is not None and all(name in out for name in decision.of):
            out[decision.id] = decision.follows(case, out)
    return out
