"""A plan against an uploaded hourly demand, as command line and service answer it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from planner.plan import Plan
    from planner.replay import ReplayResult

_PARQUET = b"PAR1"


def read_table(path: Path) -> pd.DataFrame:
    """A table of CSV (also gzip) or Parquet, told by its content. Raises PlanError when it is neither."""
    import pandas as pd

    from forecasts.fault import Fault
    from planner.case.errors import PlanError

    head = path.open("rb").read(4)
    try:
        if head == _PARQUET:
            return pd.read_parquet(path)
        return pd.read_csv(path, compression="gzip" if head[:2] == b"\x1f\x8b" else None)
    except (ValueError, OSError, EOFError) as fault:
        found = f"a file that cannot be read: {' '.join(str(fault).split())[:200]}"
        raise PlanError([Fault("demand", found, "CSV or Parquet with timestamp, region, workload, value")]) from fault


def replayed_future(plan: Plan, asked: int | None) -> int | None:
    """Whose late orders are taken: the future asked for, else the likeliest; None for a plan with one future.

    Raises PlanError for a future that the plan does not have.
    """
    from forecasts.fault import Fault
    from planner.case.errors import PlanError

    count = len(plan.demand.probability)
    if asked is not None and not 0 <= asked < count:
        raise PlanError([Fault("future", str(asked), f"0 to {count - 1}")])
    if count == 1:
        return None
    return int(plan.demand.probability.argmax()) if asked is None else asked


def service_by_workload(plan: Plan, found: ReplayResult) -> pd.DataFrame:
    """One row a workload: unit, unit-hours asked, served and short, and the share that was served."""
    table = found.tables["service"]
    numbers = [c for c in table.columns if c.endswith("_unit_hours")]
    out = table.groupby("workload", sort=False)[numbers].sum().reset_index()
    units = {w.id: w.unit for w in plan.case.workloads}
    out.insert(1, "unit", [units[w] for w in out["workload"]])
    return out


def replay_summary(plan: Plan, found: ReplayResult, future: int | None) -> dict[str, Any]:
    """Discounted cost and what of it the hours decide, unit-hours by workload, days, and whose late orders it took."""
    costs = found.tables["costs"].groupby("term")["discounted"].sum()
    return {
        "currency": plan.case.meta.currency,
        "days": found.days,
        "future": future,
        "cost": found.cost,
        "hourly_cost": found.hourly_cost,
        "cost_by_term": {str(term): float(value) for term, value in costs.items()},
        "service": service_by_workload(plan, found).to_dict("records"),
        "seconds": found.seconds,
    }


def save_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Every table as Parquet and CSV below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
        table.to_csv(folder / f"{name}.csv", index=False)
