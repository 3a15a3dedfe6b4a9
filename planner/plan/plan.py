"""The plan: the answer to a case and its demand, immutable, with its proof."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecasts.words.note import packed, unpacked
from planner.case import Case
from planner.case.file import dump_case
from planner.demand import Course, Demand, TypicalDays
from planner.plan.folders import results_in
from planner.plan.saved import finite, read_head, read_tables, tables_of, unproven, write_json, write_tables
from planner.plan.tables import TABLES, schema
from planner.program.registry import TERMS

PLAN_FORMAT = 2
PLAN_FILES = ("plan.json", "tables", "demand.npz", "report.html", "plan.xlsx")
_FIRST = ("order_date", "arrival_date", "site", "module_type", "modules", "cards", "capex")


@dataclass(frozen=True)
class Plan:
    """A verified plan.

    tables: by name, as `planner.plan.tables.TABLES` says. summary: the answer in a few figures (JSON). certificate:
    objective, bound, gap, seconds, route, status in the case's currency. checks: every limit recomputed. warnings:
    about data and assumptions. demand: what it was planned for.
    """

    case: Case
    demand: Demand
    tables: Mapping[str, pd.DataFrame]
    summary: Mapping[str, Any]
    certificate: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write plan.json, tables as Parquet and CSV with their schema, and the demand arrays into `folder`, aside
        first and moved in whole. OutputError (planner.plan.folders) says where they are kept when there is no room.
        """
        with results_in(Path(folder), PLAN_FILES) as output:
            output.fill(self.write)

    def write(self, folder: Path) -> None:
        """What `save` writes, straight into a folder of one's own."""
        write_tables(folder, self.tables)
        write_json(folder / "tables" / "schema.json", schema())
        (folder / "demand.npz").write_bytes(demand_bytes(self.demand))
        head = {
            "format": PLAN_FORMAT,
            "case": dump_case(self.case),
            "summary": self.summary,
            "certificate": finite(self.certificate),
            "checks": list(self.checks),
            "warnings": packed(self.warnings),
            "provenance": self.provenance,
        }
        write_json(folder / "plan.json", head)

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """Read what `save` wrote; ValueError when the folder holds no plan of this format.

        A table or amount that is newer than the plan is empty or 0: its case had no field for what would stand there.
        """
        folder = Path(folder)
        head = read_head(folder, "plan", PLAN_FORMAT)
        written = tables_of(folder)
        found = read_tables(folder, [name for name in TABLES if name in written])
        tables = {
            name: table.completed(found[name]) if name in found else table.frame({c.name: [] for c in table.columns})
            for name, table in TABLES.items()
        }
        demand = demand_from_bytes((folder / "demand.npz").read_bytes())
        by_term = dict.fromkeys(TERMS, 0.0) | head["summary"]["cost_by_term"]
        return cls(
            Case.model_validate(head["case"]),
            demand,
            tables,
            head["summary"] | {"cost_by_term": by_term},
            unproven(head["certificate"]),
            tuple(head["checks"]),
            unpacked(head["warnings"]),
            head["provenance"],
        )


def demand_bytes(demand: Demand) -> bytes:
    """The demand arrays as one file without pickle."""
    out = BytesIO()
    days = demand.days
    course_labels = demand.central.days.labels
    words = {"labels": days.labels, "course_labels": course_labels, "notes": packed(demand.notes)}
    np.savez_compressed(
        out,
        probability=demand.probability,
        values=demand.values,
        p50_peak=demand.p50_peak,
        p90_peak=demand.p90_peak,
        **_day_arrays("", days),
        course=demand.central.values,
        **_day_arrays("course_", demand.central.days),
        words=np.array(json.dumps(words)),
    )
    return out.getvalue()


def _day_arrays(prefix: str, days: TypicalDays) -> dict[str, Any]:
    return {
        f"{prefix}weight": days.weight,
        f"{prefix}step_hours": days.step_hours,
        f"{prefix}calendar": days.calendar,
        f"{prefix}hourly": np.array(days.hourly),
    }


def demand_from_bytes(data: bytes) -> Demand:
    """What `demand_bytes` wrote."""
    with np.load(BytesIO(data), allow_pickle=False) as held:
        words = json.loads(str(held["words"]))

        def days(prefix: str) -> TypicalDays:
            return TypicalDays(
                tuple(words[f"{prefix}labels"]),
                held[f"{prefix}weight"],
                held[f"{prefix}step_hours"],
                held[f"{prefix}calendar"],
                bool(held[f"{prefix}hourly"]),
            )

        return Demand(
            held["probability"],
            held["values"],
            days(""),
            held["p50_peak"],
            held["p90_peak"],
            unpacked(words["notes"]),
            Course(held["course"], days("course_")),
        )


def demand_hash(demand: Demand) -> str:
    """Hash of the demand's numbers."""
    found = hashlib.sha256()
    course = demand.central
    for part in (
        demand.probability,
        demand.values,
        demand.days.weight,
        demand.days.step_hours,
        course.values,
        course.days.weight,
        course.days.step_hours,
    ):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def summarise(case: Case, demand: Demand, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The answer in a few figures: what to order first, cost by term, ratios, use, shortfall, energy, carbon."""
    orders, capacity, costs = tables["orders"], tables["capacity"], tables["costs"]
    probability = demand.probability
    expected = costs.assign(weight=probability[costs["future"].to_numpy(int)])
    by_term = (expected["discounted"] * expected["weight"]).groupby(expected["term"]).sum()
    use = tables["utilisation"]
    hours = demand.days.weight.sum(axis=1) * demand.days.step_hours.sum()
    module_hours = use["owned"] * hours[use["period"].to_numpy(int)]
    busy = float((use["mean_busy"] * module_hours).sum() / module_hours.sum()) if len(use) else 0.0
    short = tables["shortfall"]
    first = orders[orders["branch"] == -1]
    first = first[first["order_period"] == first["order_period"].min()] if len(first) else orders.iloc[:0]
    units = {w.id: w.unit for w in case.workloads}
    missing = _shortfall_by_workload(case, demand, tables)
    share = _weighted(short, probability, "shortfall") if len(short) else 0.0
    carbon, energy = tables["carbon"], tables["energy"]
    return {
        "currency": case.meta.currency,
        "order_first": first[list(_FIRST)].to_dict("records"),
        "orders": {
            "modules": int(orders["modules"].sum()),
            "capex": float(orders["capex"].sum()),
            "count": len(orders),
        },
        "cost_by_term": {term: float(by_term.get(term, 0.0)) for term in TERMS},
        "cost": float(by_term.sum()),
        **{  # by period, the least of any branch: what holds whatever comes
            column: [_finite(v) for v in capacity.groupby("period")[column].min()]
            for column in ("build_ahead_ratio", "months_ahead", "capacity_to_peak")
        },
        "mean_busy": busy,
        "peak_busy": float(use["peak_busy"].max()) if len(use) else 0.0,
        "shortfall_unit_hours": missing,
        "shortfall_units": units,
        "shortfall_any": bool(share > 0 or any(v["unit_hours"] > 1e-6 for v in missing.values())),
        "energy_mwh": float(energy["facility_mwh"].sum()),
        "energy_cost": float(energy["cost"].sum()),
        "carbon_location_tonnes": float(carbon["location_tonnes"].sum()),
        "carbon_market_tonnes": float(carbon["market_tonnes"].sum()),
        "pue": float(energy["facility_mwh"].sum() / max(float(energy["it_mwh"].sum()), 1e-9)) if len(energy) else 1.0,
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _weighted(table: pd.DataFrame, probability: np.ndarray, column: str) -> float:
    return float((table[column].to_numpy() * probability[table["future"].to_numpy(int)]).sum())


def _shortfall_by_workload(
    case: Case, demand: Demand, tables: Mapping[str, pd.DataFrame]
) -> dict[str, dict[str, float]]:
    """Expected unit-hours not served and their share of what was asked, by workload."""
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    asked = np.einsum("f,fwrtdh,tdh->w", demand.probability, demand.values, hours)
    table, training = tables["shortfall"], tables["training"]
    out = {}
    for i, w in enumerate(case.workloads):
        rows = table[table["workload"] == w.id]
        weight = hours[rows["period"].to_numpy(int), rows["day"].to_numpy(int), rows["step"].to_numpy(int)]
        missing = float(
            (rows["shortfall"].to_numpy() * weight * demand.probability[rows["future"].to_numpy(int)]).sum()
        )
        late = training[training["workload"] == w.id]
        missing += _weighted(late, demand.probability, "shortfall_unit_hours")
        out[w.id] = {"unit_hours": missing, "share": missing / asked[i] if asked[i] > 0 else 0.0}
    return out
