"""What would change the answer: one assumption moved at a time, the plan made again, the first orders set beside.

A tornado over plans that adapt: unlike the sensitivities of a comparison, whose plans stay as they are, each change is
a solve of its own, and its answer is known within both proofs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from forecasts.fault import Fault
from forecasts.words.note import LANGUAGES, Note, run_on
from planner.case.errors import PlanError
from planner.explain.what_if import what_if
from planner.plan import Plan
from planner.plan.tables import described_table
from planner.scenarios.levers import HardwarePrice, LeadTime, Lever, PowerLate, ShortfallCost, TariffFactor
from planner.scenarios.scenario import DemandChange
from planner.solve import Limits
from planner.words.wording import Message, message, wording

SENSITIVITY_TABLE = described_table(
    "sensitivity",
    "What would change the answer",
    """
    factor string - what differs
    setting string - low or high
    change string - how it differs, in words
    change_zh string - the same in Chinese
    cost number currency cost of the plan made for it
    difference number currency against the plan
    least number currency least difference that both proofs allow
    most number currency largest difference that both proofs allow
    modules integer modules ordered then
    same_first_orders integer - 1 when what has to be ordered first stays the same
    note string - why there is no plan
    note_zh string - the same in Chinese
    """,
)


@dataclass(frozen=True)
class Varied:
    """One assumption at one setting: levers, or changed demand."""

    factor: str
    setting: str
    change: Message
    levers: tuple[Lever, ...] = ()
    demand: DemandChange = field(default_factory=DemandChange)


def usual_variations(plan: Plan) -> list[Varied]:
    """Demand +-10 %, growth and unserved work +-50 %, energy and modules +-20 %, and what may come a period late."""
    case = plan.case
    out: list[Varied] = []

    def lever(factor: str, setting: str, one: Lever) -> None:
        out.append(Varied(factor, setting, one.message(), (one,)))

    for setting, factor in (("low", 0.9), ("high", 1.1)):
        change = DemandChange(multiplier=factor)
        out.append(Varied("demand", setting, message("lever.demand", factor=factor), demand=change))
    if case.horizon.periods > 1:
        for setting, factor in (("low", 0.5), ("high", 1.5)):
            change = DemandChange(growth=factor)
            out.append(Varied("growth", setting, message("lever.growth", factor=factor), demand=change))
    for setting, factor in (("low", 0.5), ("high", 1.5)):
        lever("shortfall_cost", setting, ShortfallCost(kind="shortfall_cost", factor=factor))
    for setting, factor in (("low", 0.8), ("high", 1.2)):
        if case.tariffs:
            lever("energy_price", setting, TariffFactor(kind="tariff", factor=factor))
        lever("hardware_price", setting, HardwarePrice(kind="hardware_price", factor=factor))
    if case.horizon.periods > 1:
        lever("lead_time", "high", LeadTime(kind="lead_time", periods=1))
        if any(isinstance(s.power_mw, list) or s.phases for s in case.sites):
            lever("power_late", "high", PowerLate(kind="power_late", periods=1))
    return out


def sensitivity(
    plan: Plan,
    variations: Sequence[Varied] | None = None,
    *,
    limits: Limits | None = None,
    on_done: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> pd.DataFrame:
    """SENSITIVITY_TABLE, widest factor first. limits: of each solve; on_done: told (solved, all).

    A change under which no plan exists, or none was found in time, stands in the table with the reason. After `stop`,
    what is not solved yet is left out.
    """
    chosen = usual_variations(plan) if variations is None else list(variations)
    rows: list[dict[str, object]] = []
    nothing = float("nan")
    for number, one in enumerate(chosen, start=1):
        if stop is not None and stop.is_set():
            break
        row: dict[str, object] = {
            "factor": one.factor,
            "setting": one.setting,
            "change": one.change.said(wording("en")),
            "change_zh": one.change.said(wording("zh-CN")),
            **dict.fromkeys(("cost", "difference", "least", "most"), nothing),
            "modules": 0,
            "same_first_orders": 0,
            "note": "",
            "note_zh": "",
        }
        try:
            found = what_if(plan, levers=one.levers, demand=one.demand, limits=limits, stop=stop)
        except PlanError as error:
            rows.append(row | _noted(error.faults))
        else:
            if found.plan is None:
                row |= _noted(found.impossible)
            else:
                row |= {
                    "cost": found.plan.certificate["objective"],
                    "difference": found.cost,
                    "least": found.least,
                    "most": found.most,
                    "modules": int(found.plan.tables["orders"]["modules"].sum()),
                    "same_first_orders": int(_first(found.plan) == _first(plan)),
                }
            rows.append(row)
        if on_done is not None:
            on_done(number, len(chosen))
    table = SENSITIVITY_TABLE.frame({c.name: [row[c.name] for row in rows] for c in SENSITIVITY_TABLE.columns})
    widest = table["difference"].abs().groupby(table["factor"]).transform("max").fillna(-1.0)
    order = sorted(range(len(table)), key=lambda i: (-widest[i], table["factor"][i], table["setting"][i] == "high"))
    return table.iloc[order].reset_index(drop=True)


def _noted(why: Sequence[Fault]) -> dict[str, object]:
    why_not = run_on([Note(*(str(one.told(language)) for language in LANGUAGES)) for one in why])
    return {"note": str(why_not), "note_zh": why_not.chinese}


def _first(plan: Plan) -> set[tuple[str, str, int]]:
    """What has to be ordered in the first period, whatever comes: site, type and modules."""
    orders = plan.tables["orders"]
    now = orders[(orders["order_period"] == 0) & (orders["branch"] == -1)]
    sums = now.groupby(["site", "module_type"], as_index=False)["modules"].sum()
    return {
        (str(site), str(kind), int(count))
        for site, kind, count in zip(sums["site"], sums["module_type"], sums["modules"], strict=True)
    }
