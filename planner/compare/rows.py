"""The rows of a comparison's tables, from the plans of its scenarios and what they do on the evaluation futures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from forecasts.words.note import said
from planner.arrays import FloatArray
from planner.case import Case
from planner.case.compute import pflops_per_unit
from planner.compare.choices import Bracketed, Judged, break_evens, caution_line, frontier, knee, regret, sensitivities
from planner.compare.tables import COMPARISON_TABLES
from planner.demand import Demand
from planner.evaluate.evaluation import Evaluation
from planner.plan import Plan
from planner.program.registry import TERMS
from planner.rules.statistics import Estimate, mean, mean_estimate, spread_estimate
from planner.scenarios.scenario import Scenario
from planner.words.wording import wording

ALPHA = 0.9


@dataclass(frozen=True)
class Outcome:
    """One scenario's plan and what it does; `cost` alone for perfect information, nothing where it was impossible
    or (late) none was found in time."""

    scenario: Scenario
    case: Case
    base: bool
    plan: Plan | None = None
    evaluation: Evaluation | None = None
    cost: FloatArray | None = None
    note: str = ""
    late: bool = False

    @property
    def followed(self) -> bool:
        """Whether there is a plan in the base world that others can be compared with."""
        return self.base and self.evaluation is not None

    def judged(self) -> Judged:
        """What it does in every future, as choices look at it."""
        found = self.evaluation
        assert found is not None
        need = pflops_per_unit(self.case)
        return Judged(
            self.scenario.id,
            found.total,
            found.cost["shortfall"].sum(axis=1),
            found.idle_cost().sum(axis=1),
            np.einsum("fwt,w->f", found.shortfall_unit_hours, need),
            found.cost["capex"].sum(axis=1),
            found.cost["energy"].sum(axis=1),
        )


def driver_of(case: Case, demand: Demand) -> tuple[str, FloatArray, FloatArray]:
    """What tells futures apart: ("growth", per year from first to last period), or ("demand", relative to the mean).

    Third: (F,) total demand in PFLOPS-hours, whatever the driver.
    """
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    work = np.einsum("fwrtdh,tdh,w->ft", demand.values, hours, pflops_per_unit(case))
    total = np.asarray(work.sum(axis=1), float)
    years = (work.shape[1] - 1) * case.horizon.months_per_period / 12
    if years > 0 and (work > 0).all():
        rate = work / hours.sum(axis=(1, 2))
        return "growth", np.asarray((rate[:, -1] / rate[:, 0]) ** (1 / years) - 1, float), total
    centre = mean(total, demand.probability)
    return "demand", total / centre if centre > 0 else np.ones_like(total), total


def comparison_tables(
    case: Case,
    demand: Demand,
    outcomes: Sequence[Outcome],
    information: Mapping[str, Bracketed],
    *,
    sampled: bool,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """All tables of `COMPARISON_TABLES`. demand: the evaluation futures of the base world; sampled: whether they were
    drawn (and so leave noise), or are all there are."""
    p = demand.probability
    driver, by_future, total = driver_of(case, demand)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in COMPARISON_TABLES}
    followed = [o for o in outcomes if o.followed]
    judged = [o.judged() for o in followed]
    costs = np.stack([j.cost for j in judged]) if judged else np.zeros((0, len(p)))
    regrets = {j.id: r for j, r in zip(judged, regret(costs) if judged else [], strict=True)}
    perfect = next((o.cost for o in outcomes if o.base and o.cost is not None), None)
    for outcome in outcomes:
        _of_scenario(rows, outcome, p, sampled, seed)
        found = outcome.evaluation
        cost = outcome.cost if found is None else found.total
        if cost is None:
            continue
        blank = np.full(len(p), np.nan)
        short = blank if found is None else found.cost["shortfall"].sum(axis=1)
        idle = blank if found is None else found.idle_cost().sum(axis=1)
        lost = regrets.get(outcome.scenario.id, blank)
        for f in range(len(p)):
            rows["futures"].append(
                {
                    "scenario": outcome.scenario.id,
                    "future": f,
                    "probability": p[f],
                    "cost": cost[f],
                    "shortfall_cost": short[f],
                    "idle_cost": idle[f],
                    "regret": lost[f],
                    "driver": by_future[f],
                }
            )
    _between(rows, judged, regrets, perfect, p, sampled)
    idle, short = (np.array([mean(getattr(j, a), p) for j in judged], float) for a in ("idle_cost", "shortfall_cost"))
    on, at_knee = frontier(idle, short), knee(idle, short)
    paid = np.array([mean(j.cost, p) for j in judged], float) - short
    because = caution_line(paid, short).because
    for i, j in enumerate(judged):
        rows["frontier"].append(
            {
                "scenario": j.id,
                "idle_cost": idle[i],
                "shortfall_cost": short[i],
                "on_frontier": int(on[i]),
                "knee": int(i == at_knee),
                "paid_cost": paid[i],
                "left_out": ", ".join(judged[k].id for k in because.get(i, ())),
            }
        )
    rows["break_even"] = [{**asdict(b), "inside": int(b.inside)} for b in break_evens(judged, p, driver, by_future)]
    rows["sensitivity"] = [asdict(s) for s in sensitivities(judged, p, total)] if judged else []
    rows["value_of_information"] = [_bracketed(k, v) for k, v in information.items()]
    _levers(rows, outcomes, p, sampled)
    return {
        name: table.frame({c.name: [row[c.name] for row in rows[name]] for c in table.columns})
        for name, table in COMPARISON_TABLES.items()
    }


def _bracketed(measure: str, found: Bracketed) -> dict[str, object]:
    said = {name: "" if found.note is None else found.note.said(wording(language)) for name, language in _NOTES}
    return {"measure": measure, "value": found.value, "low": found.low, "high": found.high, **said}


_NOTES = (("note", "en"), ("note_zh", "zh-CN"))


def _interval(estimate: Estimate) -> dict[str, object]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _of_scenario(
    rows: dict[str, list[dict[str, object]]], outcome: Outcome, p: FloatArray, sampled: bool, seed: int
) -> None:
    """Rows of one scenario by itself: scenarios, costs, terms, measures, shortfall, ahead."""
    scenario, plan, found, case = outcome.scenario, outcome.plan, outcome.evaluation, outcome.case
    blank = float("nan")
    status = "planned" if plan is not None else "bound" if outcome.cost is not None else "impossible"
    status = "late" if outcome.late else status
    certificate = plan.certificate if plan is not None else {}
    rows["scenarios"].append(
        {
            "scenario": scenario.id,
            "name_en": scenario.names.text("en"),
            "name_zh": scenario.names.text("zh"),
            "rule": scenario.rule.kind,
            "world": "base" if outcome.base else scenario.id,
            "status": status,
            "objective": certificate.get("objective", blank),
            "bound": certificate.get("bound", blank),
            "gap": certificate.get("gap", blank),
            "modules": int(plan.tables["orders"]["modules"].sum()) if plan is not None else 0,
            "note": str(outcome.note),
            "note_zh": said(outcome.note, "zh-CN"),
        }
    )
    cost = outcome.cost if found is None else found.total
    if cost is None:
        return
    estimates = {
        "mean": mean_estimate(cost, p, sampled),
        "p10": spread_estimate(cost, p, "quantile", 0.1, seed, sampled),
        "p90": spread_estimate(cost, p, "quantile", 0.9, seed, sampled),
        "cvar": spread_estimate(cost, p, "cvar", ALPHA, seed, sampled),
    }
    rows["costs"] += [{"scenario": scenario.id, "statistic": k, **_interval(e)} for k, e in estimates.items()]
    if found is None or plan is None:
        return
    for term in TERMS:
        rows["terms"].append({"scenario": scenario.id, "term": term, "cost": mean(found.cost[term].sum(axis=1), p)})
    need = pflops_per_unit(case)
    usable = found.usable_pflops_hours(case).sum(axis=1)
    idle = found.idle_pflops_hours(case).sum(axis=1)
    mwh = found.energy_kwh.sum(axis=2) / 1000
    location = np.array([s.carbon_kg_per_kwh for s in case.sites])
    market = np.array([s.market_carbon() for s in case.sites])
    measures = {
        "idle": ("PFLOPS-h", idle),
        "idle_cost": ("currency", found.idle_cost().sum(axis=1)),
        "shortfall": ("PFLOPS-h", np.einsum("fwt,w->f", found.shortfall_unit_hours, need)),
        "shortfall_cost": ("currency", found.cost["shortfall"].sum(axis=1)),
        "utilisation": ("", 1 - np.divide(idle, usable, out=np.ones_like(idle), where=usable > 0)),
        "energy": ("MWh", mwh.sum(axis=1)),
        "carbon_location": ("t", mwh @ location),
        "carbon_market": ("t", mwh @ market),
        "broken_limits": ("", (found.breach > 1e-6).astype(float)),
    }
    for name, (unit, values) in measures.items():
        estimate = mean_estimate(values, p, sampled)
        rows["measures"].append({"scenario": scenario.id, "measure": name, "unit": unit, **_interval(estimate)})
    asked = np.einsum("fwt,f->w", found.demand_unit_hours, p)
    missing = np.einsum("fwt,f->w", found.shortfall_unit_hours, p)
    for w, workload in enumerate(case.workloads):
        share = missing[w] / asked[w] if asked[w] > 0 else 0.0
        rows["shortfall"].append(
            {
                "scenario": scenario.id,
                "workload": workload.id,
                "unit": workload.unit,
                "unit_hours": missing[w],
                "share": share,
            }
        )
    for t, group in plan.tables["capacity"].groupby("period"):
        rows["ahead"].append(
            {
                "scenario": scenario.id,
                "period": t,
                "usable_pflops": group["usable_pflops"].mean(),
                "build_ahead_ratio": group["build_ahead_ratio"].min(),
                "months_ahead": group["months_ahead"].min(),
                "capacity_to_peak": group["capacity_to_peak"].min(),
            }
        )


def _between(
    rows: dict[str, list[dict[str, object]]],
    judged: Sequence[Judged],
    regrets: Mapping[str, FloatArray],
    perfect: FloatArray | None,
    p: FloatArray,
    sampled: bool,
) -> None:
    """Regret and paired differences of the scenarios of the base world."""
    for j in judged:
        lost = mean_estimate(regrets[j.id], p, sampled)
        above = float("nan") if perfect is None else mean(j.cost - perfect, p)
        rows["regret"].append(
            {
                "scenario": j.id,
                "mean": lost.value,
                "low": lost.low,
                "high": lost.high,
                "largest": float(regrets[j.id].max()),
                "best_in": mean((regrets[j.id] <= 1e-9 * np.abs(j.cost)).astype(float), p),
                "above_perfect": above,
            }
        )
        for other in judged:
            if other.id != j.id:
                rows["differences"].append(_paired(j.id, other.id, j.cost, other.cost, p, sampled))


def _paired(
    scenario: str, against: str, cost: FloatArray, other: FloatArray, p: FloatArray, sampled: bool
) -> dict[str, object]:
    estimate = mean_estimate(cost - other, p, sampled)
    return {
        "scenario": scenario,
        "against": against,
        "difference": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "cheaper_in": mean((cost < other).astype(float), p),
    }


def _levers(
    rows: dict[str, list[dict[str, object]]], outcomes: Sequence[Outcome], p: FloatArray, sampled: bool
) -> None:
    by_rule = {o.scenario.rule.model_dump_json(): o for o in reversed(outcomes) if o.followed}
    for outcome in outcomes:
        base = by_rule.get(outcome.scenario.rule.model_dump_json())
        if outcome.base or outcome.evaluation is None or base is None or base.evaluation is None:
            continue
        row = _paired(
            outcome.scenario.id, base.scenario.id, outcome.evaluation.total, base.evaluation.total, p, sampled
        )
        rows["levers"].append({k: v for k, v in row.items() if k != "cheaper_in"})
