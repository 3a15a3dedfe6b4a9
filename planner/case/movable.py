"""Fields of a case that limit its plans: where each stands, its unit, which way it loosens, and the case with it moved.

What a limit is worth and the smallest change of a request that cannot be met are both answered by moving such a field
and planning again, so that every amount that is told is one that can be written into the case.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from planner.arrays import FloatArray
from planner.case.case import Case
from planner.case.file import case_from, dump_case
from planner.case.workloads import WorkloadKind

Spread = Literal["each", "onward", "whole"]


@dataclass(frozen=True)
class LimitField:
    """One field of a case that limits plans.

    kind: of limit, the key of its words ("limit.<kind>"). pointer: JSON Pointer of the field. place: what it belongs to
    (site, module_type, workload, vendor ... by id). unit: of the field's number ("share" is shown in percent).
    loosens: +1 where a larger number asks for less, -1 where a smaller one does. whole: only whole numbers make sense.
    least, most: what the number may be. step: one real unit, the change that is priced (None: not priced).
    spread: "each" period has its number; "onward": a change holds from a period on (what is built stays); "whole": one
    number for the whole case. values: (periods,), or (1,) for "whole"; NaN where there is no limit.
    """

    kind: str
    pointer: str
    place: Mapping[str, str]
    unit: str
    loosens: int
    values: FloatArray
    spread: Spread = "each"
    step: float | None = None
    relative: bool = False
    instead: float = 0.0
    whole: bool = False
    least: float = 0.0
    most: float = math.inf

    @property
    def limited(self) -> FloatArray:
        """(periods,) or (1,): whether there is a limit."""
        return np.isfinite(self.values)

    def unit_step(self, period: int = 0) -> float:
        """One real unit of the field's number in a period; 0 where the field is not priced."""
        if self.step is None or not self.limited[period]:
            return 0.0
        return (self.step * float(self.values[period]) or self.instead) if self.relative else self.step

    def clipped(self, values: FloatArray) -> FloatArray:
        """The numbers brought into the range that the field allows, whole where they must be (rounded loosely).

        (periods,), or (1,).
        """
        if self.whole:
            values = np.ceil(values - 1e-9) if self.loosens > 0 else np.floor(values + 1e-9)
        return np.clip(values, self.least, self.most)

    def moved(self, amount: float, period: int = 0) -> FloatArray:
        """The field's numbers loosened by `amount` (tightened where it is negative): in `period`, or from it on.

        (periods,), or (1,).
        """
        out = self.values.copy()
        at = slice(None) if self.spread == "whole" else slice(period, period + 1 if self.spread == "each" else None)
        out[at] += self.loosens * amount
        return self.clipped(out)

    def written(self, values: FloatArray) -> Any:
        """What stands in the case for these numbers: one number where all are the same, else a list.

        values: (periods,), or (1,) where the field has one number.
        """
        plain = [None if not math.isfinite(v) else int(v) if self.whole or v == int(v) else float(v) for v in values]
        return plain[0] if len(set(plain)) == 1 else plain

    def put(self, case: Case, values: FloatArray) -> Case:
        """The case with these numbers in the field, through its public form.

        values: (periods,), or (1,) where the field has one number.
        """
        return with_fields(case, [(self, values)])


def with_fields(case: Case, changes: list[tuple[LimitField, FloatArray]]) -> Case:
    """The case with other numbers in some of its fields. Raises CaseError where they are not allowed.

    Numbers: (periods,) each, or (1,).
    """
    document = dump_case(case)
    for field, values in changes:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in field.pointer[1:].split("/"))
        target: Any = document
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        target[last] = field.written(values)
    return case_from(document)


def _part(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def limit_fields(case: Case) -> list[LimitField]:
    """Every field of the case that limits its plans, in the order of the case."""
    return [*_of_sites(case), *_of_types(case), *_of_leases(case), *_of_work(case), *_of_policy(case)]


def _periods(value: Any, case: Case) -> FloatArray:
    n = case.horizon.periods
    if isinstance(value, list):
        return np.array([np.nan if v is None else v for v in value], float)
    return np.full(n, np.nan if value is None else float(value))


def _one(value: float | None) -> FloatArray:
    return np.array([np.nan if value is None else float(value)])


def _of_sites(case: Case) -> Iterator[LimitField]:
    for i, site in enumerate(case.sites):
        place = {"site": site.id}
        at = f"/sites/{i}"
        yield LimitField("site_power", f"{at}/power_mw", place, "MW", 1, _periods(site.power_mw, case), "onward", 1.0)
        if site.space_racks is not None:
            racks = _periods(site.space_racks, case)
            yield LimitField("site_space", f"{at}/space_racks", place, "racks", 1, racks, "onward", 1.0)
        for p, phase in enumerate(site.phases):
            most = _one(phase.max_count)
            where = {**place, "phase": str(p + 1)}
            yield LimitField(
                "phase_count", f"{at}/phases/{p}/max_count", where, "phases", 1, most, "whole", 1.0, whole=True, least=1
            )


def _of_types(case: Case) -> Iterator[LimitField]:
    for i, kind in enumerate(case.module_types):
        place, at = {"module_type": kind.id}, f"/module_types/{i}"
        if kind.supply is not None:
            supply = _periods(kind.supply, case)
            yield LimitField("supply", f"{at}/supply", place, "modules", 1, supply, "each", 1.0, whole=True)
        if kind.min_order > 1:
            least = _one(kind.min_order)
            yield LimitField(
                "min_order", f"{at}/min_order", place, "modules", -1, least, "whole", 1.0, whole=True, least=1
            )
        if kind.lead_periods > 0:
            lead = _one(kind.lead_periods)
            yield LimitField("lead_periods", f"{at}/lead_periods", place, "periods", -1, lead, "whole", whole=True)
        if kind.moving_periods > 0 and any(row.may_move_to for row in case.fleet if row.module_type == kind.id):
            away = _one(kind.moving_periods)
            yield LimitField("moving_periods", f"{at}/moving_periods", place, "periods", -1, away, "whole", whole=True)


def _of_leases(case: Case) -> Iterator[LimitField]:
    for i, lease in enumerate(case.leases):
        place, at = {"lease": lease.id}, f"/leases/{i}"
        most = _periods(lease.maximum_modules, case)
        yield LimitField("lease_maximum", f"{at}/maximum_modules", place, "modules", 1, most, "onward", 1.0, whole=True)
        if lease.notice_periods > 0:
            notice = _one(lease.notice_periods)
            yield LimitField("lease_notice", f"{at}/notice_periods", place, "periods", -1, notice, "whole", whole=True)


def _of_work(case: Case) -> Iterator[LimitField]:
    for i, work in enumerate(case.workloads):
        place, at = {"workload": work.id}, f"/workloads/{i}"
        if work.minimum_service > 0:
            served = _one(work.minimum_service)
            yield LimitField(
                "minimum_service", f"{at}/minimum_service", place, "share", -1, served, "whole", 0.01, most=1
            )
        if work.latency_ms is not None:
            yield LimitField("latency", f"{at}/latency_ms", place, "ms", 1, _one(work.latency_ms), "whole")
        if work.kind is WorkloadKind.deferrable and work.max_rate_factor is not None:
            rate = _one(work.max_rate_factor)
            yield LimitField("max_rate", f"{at}/max_rate_factor", place, "x", 1, rate, "whole", least=1)
        if work.preemptible:
            share = _one(work.max_yield_share)
            yield LimitField("max_yield", f"{at}/max_yield_share", place, "share", 1, share, "whole", 0.01, most=1)
    for i, job in enumerate(case.campaigns):
        place, at = {"campaign": job.id}, f"/campaigns/{i}"
        last = case.horizon.periods - 1
        if job.due < last:
            due = _one(job.due)
            yield LimitField("campaign_due", f"{at}/due", place, "periods", 1, due, "whole", whole=True, most=last)
        if job.value is None:
            days = _one(job.card_days)
            yield LimitField("campaign_work", f"{at}/card_days", place, "card-days", -1, days, "whole", least=1e-6)
    for region, row in case.network.bandwidth_gbps.items():
        for site, value in row.items():
            at = f"/network/bandwidth_gbps/{_part(region)}/{_part(site)}"
            place = {"region": region, "site": site}
            yield LimitField("bandwidth", at, place, "Gb/s", 1, _periods(value, case), "onward", 1.0)


def _of_policy(case: Case) -> Iterator[LimitField]:
    policy = case.policy

    def field(kind: str, name: str, value: Any, unit: str, loosens: int, **more: Any) -> Iterator[LimitField]:
        if value is not None:
            yield LimitField(kind, f"/policy/{name}", {}, unit, loosens, _periods(value, case), **more)

    hundredth: dict[str, Any] = {"step": 0.01, "relative": True}
    # a hundredth of nothing buys nothing: then it is what one module of the cheapest type costs
    module = min(float(_periods(k.capex, case).min()) for k in case.module_types)
    yield from field("budget", "budget", policy.budget, case.meta.currency, 1, instead=module, **hundredth)
    for vendor, cap in policy.vendor_share_cap.items():
        at = f"/policy/vendor_share_cap/{_part(vendor)}"
        yield LimitField("vendor_share", at, {"vendor": vendor}, "share", 1, _one(cap), "whole", 0.01, most=1)
    share: dict[str, Any] = {"step": 0.01, "most": 1.0}
    for site, most in policy.max_module_types.items():
        at = f"/policy/max_module_types/{_part(site)}"
        yield LimitField("type_count", at, {"site": site}, "types", 1, _one(most), "whole", 1.0, whole=True)
    domestic = policy.domestic_share_floor
    yield from field("domestic_share", "domestic_share_floor", domestic, "share", -1, spread="onward", **share)
    target = policy.capacity_targets_eflops
    yield from field("capacity_target", "capacity_targets_eflops", target, "EFLOPS", -1, **hundredth)
    ahead = policy.build_ahead
    yield from field("build_ahead_minimum", "build_ahead/minimum", ahead.minimum, "x", -1, step=0.01)
    yield from field("build_ahead_maximum", "build_ahead/maximum", ahead.maximum, "x", 1, step=0.01)
    yield from field("carbon_cap", "carbon_cap_tonnes", policy.carbon_cap_tonnes, "t", 1, step=1.0)
    yield from field("green_share", "green_share_floor", policy.green_share_floor, "share", -1, **share)
    yield from field("utilisation", "utilisation_floor", policy.utilisation_floor, "share", -1, **share)
