"""A small plan made by hand from the formulas passes every check; each way to break it trips the right check."""

# ruff: noqa: E501 (one mutation a line reads better than six)

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.case import Case
from planner.demand import Demand, TypicalDays
from planner.plan.tables import TABLES
from planner.verify import VerificationError, verify
from tests.planner.verify.shown_by_hand import show

Tables = dict[str, pd.DataFrame]
HOURS = np.arange(24)
ALLOWED = [[0, 8], [20, 24]]


def case_document() -> dict[str, Any]:
    """Two sites, two types, every kind of work; three quarters; orders placed from quarter 1 on may differ by future."""
    return {
        "meta": {"name": "harbour", "as_of": "2026-01-01"},
        "horizon": {"start": "2026-01-01", "periods": 3, "discount_rate": 0.08, "commit_periods": 1},
        "regions": [{"id": "north", "names": "North"}, {"id": "south", "names": "South"}],
        "sites": [
            {
                "id": "A", "names": "A", "power_mw": 1.2, "pue": [1.2] * 6 + [1.3] * 6, "tariff": "two",
                "space_racks": 60, "demand_charge_per_kw_month": 40, "carbon_kg_per_kwh": 0.6, "green_share": 0.5,
                "phases": [{"mw": 0.5, "capex": 9000, "lead_periods": 1, "max_count": 2, "life_periods": 40}],
            },
            {
                "id": "B", "names": "B", "status": "candidate", "opening_cost": 7000, "power_mw": 1, "pue": 1.1,
                "tariff": "two", "carbon_kg_per_kwh": 0.2, "green_share": 0.8,
            },
        ],
        "module_types": [
            {
                "id": "gpu", "names": "gpu", "vendor": "acme", "cards": 16, "peak_pflops": 1, "power_idle_kw": 20,
                "power_peak_kw": 60, "racks": 2, "capex": [500, 480, 460], "opex": 6, "lead_periods": 1,
                "life_periods": 16, "supply": 6, "min_order": 2, "order_cost": 90, "prepay_share": 0.3,
                "availability": 0.95,
            },
            {
                "id": "npu", "names": "npu", "vendor": "own", "domestic": True, "cards": 8, "peak_pflops": 0.3,
                "power_idle_kw": 5, "power_peak_kw": 20, "racks": 1, "capex": 70, "opex": 1, "life_periods": 2,
            },
        ],
        "fleet": [
            {"site": "A", "module_type": "gpu", "modules": 8},
            {"site": "A", "module_type": "gpu", "modules": 4, "retire": "2026-07-01"},
            {"site": "A", "module_type": "npu", "modules": 2, "online": "2026-04-15"},
        ],
        "leases": [
            {
                "id": "rent", "site": "A", "module_type": "npu", "price_per_module_period": 30, "notice_periods": 1,
                "minimum_term_periods": 2, "maximum_modules": 6, "uses_site_power": True,
            }
        ],
        "workloads": [
            {
                "id": "chat", "names": "chat", "throughput": {"gpu": 10, "npu": 5}, "max_utilisation": 0.8,
                "burst_factor": 1.25, "shortfall_cost": 2, "minimum_service": 0.9, "traffic_gb_per_unit_hour": 2,
                "residency": {"north": ["A"]},
            },
            {
                "id": "batch", "names": "batch", "kind": "deferrable", "throughput": {"gpu": 1},
                "allowed_hours": ALLOWED, "max_rate_factor": 3, "allowed_sites": ["A"],
            },
            {"id": "index", "names": "index", "kind": "deferrable", "throughput": {"gpu": 1}, "window_hours": 2},
            {
                "id": "train", "names": "train", "kind": "training", "gang_cards": 24, "preemptible": True,
                "max_yield_share": 0.25, "throughput": {"gpu": 0.5, "npu": 0.1}, "shortfall_cost": 3,
                "minimum_service": 0.5,
            },
            {"id": "tune", "names": "tune", "kind": "training", "gang_cards": 8, "throughput": {"npu": 0.25}},
        ],
        "campaigns": [
            {
                "id": "big", "names": "big", "gang_cards": 32, "card_days": 2000, "earliest": 1, "due": 2,
                "speed": {"gpu": 1}, "value": 4000,
            }
        ],
        "network": {
            "latency_ms": {"north": {"A": 5, "B": 30}, "south": {"A": 20, "B": 5}},
            "transfer_cost_per_gb": {"north": {"A": 0.01, "B": 0.03}, "south": {"A": 0.02, "B": 0.01}},
            "bandwidth_gbps": {"north": {"A": 2}},
        },
        "tariffs": [
            {
                "id": "two", "names": "two", "prices_per_kwh": {"flat": 0.6, "valley": 0.3},
                "windows": [{"band": "valley", "hours": [[0, 8]]}],
            }
        ],
        "policy": {
            "budget": [8000, 13000, 2000], "carbon_price_per_tonne": 50, "carbon_cap_tonnes": 1500,
            "green_share_floor": 0.4, "domestic_share_floor": 0.09, "vendor_share_cap": {"acme": 0.92},
            "build_ahead": {"minimum": 0.5, "maximum": 4}, "capacity_targets_eflops": [0.2, 0.25, None],
            "utilisation_floor": 0.25,
            "max_module_types": {"A": 2},
        },
        "risk": {"objective": {"kind": "cvar", "alpha": 0.5, "weight": 0.4}},
    }  # fmt: skip


def given_demand(case: Case) -> Demand:
    """Two futures; a workday and a weekend day; in the second future chat is a tenth larger."""
    tide = 1 + 0.5 * np.sin((HOURS - 8) / 24 * 2 * np.pi)
    values = np.zeros((2, 5, 2, 3, 2, 24))
    values[:, 0, 0] = 150 * tide
    values[:, 0, 1] = 80 * tide
    values[:, 0, :, :, 1] *= 0.6
    values[1, 0] *= 1.1
    values[:, 1, 0] = 20
    values[:, 2, 1] = 8 + (HOURS % 2) * 4
    values[:, 3, 0] = 8
    values[:, 4, 1] = 1.5
    days = np.array([case.horizon.days(t) for t in range(3)], float)
    weight = np.stack([days - 26, np.full(3, 26.0)], axis=1)
    calendar = np.zeros((3, 2, 12, 3))
    for t in range(3):
        calendar[t, 0, 3 * t : 3 * t + 3, 0] = 1 / 3
        calendar[t, 1, 3 * t : 3 * t + 3, 1] = 1 / 3
    typical = TypicalDays(("workday", "weekend"), weight, np.ones(24), calendar, True)
    peak = np.full(3, 100.0)
    return Demand(np.array([0.7, 0.3]), values, typical, peak, peak * 1.2)


def rows(name: str, records: list[dict[str, Any]]) -> pd.DataFrame:
    """Records as a table; columns that a record leaves out are 0 or empty."""
    data: dict[str, list[Any]] = {}
    for column in TABLES[name].columns:
        empty: Any = 0 if column.kind in ("integer", "number") else ""
        data[column.name] = [record.get(column.name, empty) for record in records]
    return TABLES[name].frame(data)


OWNED = {
    # (future, site, type): modules in each quarter, from fleet, orders and ends of life
    (0, "A", "gpu"): [12, 16, 14],
    (1, "A", "gpu"): [12, 16, 15],
    (0, "A", "npu"): [0, 0, 2],
    (1, "A", "npu"): [0, 0, 2],
    (0, "B", "npu"): [5, 5, 0],
    (1, "B", "npu"): [5, 5, 0],
}
LEASED = {"A": {"npu": [0, 3, 3]}}
TYPES = {"gpu": (16, 16.0, 20, 60), "npu": (8, 2.4, 5, 20)}  # cards, PFLOPS, idle and peak kW of a module
DISCOUNT = [1.08 ** (-t / 4) for t in range(3)]


def pue(site: str, period: int) -> float:
    return 1.1 if site == "B" else 1.2 if period < 2 else 1.3


def hand_made_plan(demand: Demand) -> Tables:
    """Serve chat of the north at A and of the south at B as far as its modules go; everything else at A."""
    placement, load, shortfall, gangs, campaigns = [], [], [], [], []
    busy: dict[tuple[int, int, int, str], np.ndarray] = {}
    # 8 asked of the 9 that a gang does an hour: 8/9 of it is at work, on 16/9 modules, for 0.75 x 24 hours of them
    train_hours = np.where((HOURS >= 18) & (HOURS < 22), 0.0, 1.6)
    for f in range(2):
        for t in range(3):
            for d in range(2):
                when = {"future": f, "period": t, "day": d}
                chat_a, chat_b = demand.values[f, 0, 0, t, d], demand.values[f, 0, 1, t, d]
                npu_left = OWNED[f, "B", "npu"][t] - (1 if t < 2 else 0)
                at_b = np.minimum(chat_b, npu_left * 8 * 5 * 0.8 / 1.25)
                missing = np.where(HOURS == 3, 2.0, 0.0)
                at_a = chat_b - at_b
                batch = np.where((HOURS < 8) | (HOURS >= 20), 40.0, 0.0)
                index = np.roll(demand.values[f, 2, 1, t, d], 1)
                served = [
                    ("chat", "north", "A", chat_a - missing),
                    ("chat", "south", "A", at_a),
                    ("chat", "south", "B", at_b),
                    ("batch", "north", "A", batch),
                    ("index", "south", "A", index),
                ]
                loads = [
                    ("chat", "A", "gpu", (chat_a - missing + at_a) * 1.25 / (16 * 10 * 0.8)),
                    ("chat", "B", "npu", at_b * 1.25 / (8 * 5 * 0.8)),
                    ("batch", "A", "gpu", batch / 16),
                    ("index", "A", "gpu", index / 16),
                    ("train", "A", "gpu", train_hours),
                ]
                tune_site = "B" if t < 2 else "A"
                loads.append(("tune", tune_site, "npu", np.full(24, 0.75)))  # held by one module, work for 1.5 of 2
                for h in HOURS:
                    at = when | {"step": int(h)}
                    placement += [
                        at | {"workload": w, "region": r, "site": s, "served": v[h]}
                        for w, r, s, v in served
                        if v[h] > 0
                    ]
                    load += [
                        at | {"workload": w, "site": s, "module_type": k, "busy": v[h]}
                        for w, s, k, v in loads
                        if v[h] > 0
                    ]
                    if missing[h]:
                        shortfall.append(at | {"workload": "chat", "region": "north", "shortfall": missing[h]})
                busy[f, t, d, "A"] = np.zeros((2, 24))
                busy[f, t, d, "B"] = np.zeros((2, 24))
                for _, s, k, v in loads:
                    busy[f, t, d, s][list(TYPES).index(k)] += v
    for b in range(2):
        for t in range(3):
            at = {"branch": b, "period": t}
            gangs.append(at | {"workload": "train", "site": "A", "module_type": "gpu", "gangs": 1, "modules": 2})
            site = "B" if t < 2 else "A"
            gangs.append(at | {"workload": "tune", "site": site, "module_type": "npu", "gangs": 1, "modules": 1})
        campaigns.append(
            {"branch": b, "campaign": "big", "period": 1, "site": "A", "module_type": "gpu", "modules": 2, "on": 1,
             "share": 0.5}
        )  # fmt: skip
    orders = [
        {"branch": -1, "order_period": 0, "arrival_period": 0, "site": "B", "module_type": "npu", "modules": 5},
        {"branch": -1, "order_period": 0, "arrival_period": 1, "site": "A", "module_type": "gpu", "modules": 4},
        {"branch": 0, "order_period": 1, "arrival_period": 2, "site": "A", "module_type": "gpu", "modules": 2},
        {"branch": 1, "order_period": 1, "arrival_period": 2, "site": "A", "module_type": "gpu", "modules": 3},
    ]
    stock = [
        {"branch": b, "period": t, "site": s, "module_type": k, "owned": n, "leased": LEASED.get(s, {}).get(k, [0] * 3)[t]}
        for (b, s, k), counts in OWNED.items()
        for t, n in enumerate(counts)
    ]  # fmt: skip
    leases = [
        {"branch": -1, "period": t, "lease": "rent", "site": "A", "module_type": "npu", "started": 3 * (t == 1), "active": 3}
        for t in (1, 2)
    ]  # fmt: skip
    unfinished = 1 - 0.5 * 91 * 32 / 2000
    billed, training = [], []
    for b in range(2):
        for t in range(3):
            futures = (0, 1) if t == 0 else (b,)
            top = max(float(facility_kw(f, t, d, "A", busy, 1.0).max()) for d in range(2) for f in futures)
            billed += [
                {"branch": b, "period": t, "site": "A", "month": 3 * t + m, "billed_kw": top + 300} for m in (1, 2, 3)
            ]
            hours = 24 * demand.days.weight[t].sum()
            volume = 8 * hours
            training.append({"future": b, "period": t, "workload": "train", "demand_unit_hours": volume})
            training.append({"future": b, "period": t, "workload": "tune", "demand_unit_hours": 1.5 * hours})
    out = {
        "orders": rows("orders", orders),
        "phases": rows("phases", [{"branch": -1, "arrival_period": 1, "site": "A", "count": 1}]),
        "openings": rows("openings", [{"branch": -1, "period": 0, "site": "B"}]),
        "departures": rows("departures", []),
        "agreements": rows("agreements", []),
        "leases": rows("leases", leases),
        "stock": rows("stock", stock),
        "gangs": rows("gangs", gangs),
        "pools": rows("pools", []),
        "campaigns": rows("campaigns", campaigns),
        "training": rows("training", training),
        "placement": rows("placement", placement),
        "load": rows("load", load),
        "shortfall": rows("shortfall", shortfall),
        "unfinished": rows("unfinished", [{"branch": -1, "campaign": "big", "share": unfinished}]),
        "billed": rows("billed", billed),
    }
    out["owed"] = rows("owed", owed_records())
    out["costs"] = rows("costs", cost_records(demand, out, busy, unfinished))

    def campaign(site: str, kind: str, t: int) -> float:
        return 2 * 0.5 if (site, kind, t) == ("A", "gpu", 1) else 0.0

    show(
        out,
        demand,
        lambda f, t, d, site: facility_kw(f, t, d, site, busy, 0.5),
        lambda f, t, d, site, kind: busy[f, t, d, site][list(TYPES).index(kind)] + campaign(site, kind, t),
    )
    return out


def owed_records() -> list[dict[str, Any]]:
    """Annuities of what lives beyond the three quarters, and the lease of quarter 1, whose two quarters end with them."""
    i = 1.08**0.25 - 1
    out = []

    def add(kind: str, item: str, site: str, branch: int, period: int, count: int, price: float, life: int) -> None:
        payment = price * i / ((1 - (1 + i) ** -life) * (1 + i))
        late = range(3, period + life)
        out.append(
            {"branch": branch, "kind": kind, "item": item, "site": site, "period": period, "count": count,
             "periods_left": len(late), "undiscounted": count * payment * len(late),
             "discounted": count * payment * sum(1.08 ** (-u / 4) for u in late)}
        )  # fmt: skip

    add("order", "gpu", "A", -1, 1, 4, 480, 16)
    for branch, late in ((0, 2), (1, 3)):
        add("order", "gpu", "A", branch, 2, late, 460, 16)
        add("order charge", "gpu", "A", branch, 2, 1, 90, 16)
    add("order charge", "gpu", "A", -1, 1, 1, 90, 16)
    add("phase", "phase 1", "A", -1, 1, 1, 9000, 40)
    add("opening", "B", "B", -1, 0, 1, 7000, 80)
    return out


def facility_kw(f: int, t: int, d: int, site: str, busy: dict[Any, np.ndarray], campaign: float) -> np.ndarray:
    """(24,) kW: idle power of what stands and the rest of what is busy, times PUE; the campaign runs for that share."""
    out = np.zeros(24)
    for i, (kind, (_, _, idle, peak)) in enumerate(TYPES.items()):
        stands = OWNED.get((f, site, kind), [0] * 3)[t] + LEASED.get(site, {}).get(kind, [0] * 3)[t]
        extra = 2 * campaign if (site, kind, t) == ("A", "gpu", 1) else 0.0
        out += idle * stands + (peak - idle) * (busy[f, t, d, site][i] + extra)
    return out * pue(site, t)


def cost_records(demand: Demand, plan: Tables, busy: dict[Any, np.ndarray], unfinished: float) -> list[dict[str, Any]]:
    """Every term of docs/model.md §5, one formula at a time; a price falls into the period of arrival."""
    i = 1.08**0.25 - 1

    def bought(f: int, term: str, price: float, life: int, arrival: int, site: str) -> None:
        payment = price * i / ((1 - (1 + i) ** -life) * (1 + i))
        charged = payment * sum(DISCOUNT[u] for u in range(arrival, min(arrival + life, 3)))
        out.append(
            {"future": f, "term": term, "period": arrival, "site": site, "undiscounted": price, "discounted": charged}
        )

    out = []

    def add(f: int, term: str, amounts: list[float], site: str = "") -> None:
        for t, amount in enumerate(amounts):
            out.append(
                {"future": f, "term": term, "period": t, "site": site, "undiscounted": amount,
                 "discounted": amount * DISCOUNT[t]}
            )  # fmt: skip

    price = np.where(HOURS < 8, 0.3, 0.6)
    for f, late in ((0, 2), (1, 3)):
        bought(f, "capex", 5 * 70, 2, 0, "B")
        bought(f, "capex", 4 * 480, 16, 1, "A")
        bought(f, "capex", late * 460, 16, 2, "A")
        bought(f, "order_charges", 90, 16, 1, "A")
        bought(f, "order_charges", 90, 16, 2, "A")
        bought(f, "phases", 9000, 40, 1, "A")
        bought(f, "openings", 7000, 80, 0, "B")
        for site in "AB":
            owned = {k: OWNED.get((f, site, k), [0] * 3) for k in TYPES}
            add(f, "opex", [6 * owned["gpu"][t] + owned["npu"][t] for t in range(3)], site)
            energy, carbon = [], []
            for t in range(3):
                kw = [facility_kw(f, t, d, site, busy, 0.5) for d in range(2)]
                weight = demand.days.weight[t]
                energy.append(sum(weight[d] * (price * kw[d]).sum() for d in range(2)))
                carbon.append(sum(weight[d] * kw[d].sum() for d in range(2)) * (0.6 if site == "A" else 0.2) * 0.05)
            add(f, "energy", energy, site)
            add(f, "carbon", carbon, site)
        add(f, "leases", [0.0, 90.0, 90.0], "A")
        kw = plan["billed"].query("branch == @f").groupby("period")["billed_kw"].sum()
        add(f, "demand_charge", [40 * x for x in kw], "A")
        part = plan["placement"].query("future == @f and workload == 'chat'")
        gb_price = part.apply(lambda x: 0.01 if (x.region, x.site) == ("north", "A") else 0.02 if x.site == "A" else 0.01, axis=1)  # fmt: skip
        days = np.array([demand.days.weight[t, d] for t, d in zip(part["period"], part["day"], strict=True)])
        paid = part["served"] * 2 * gb_price * days
        for site in "AB":
            add(
                f,
                "transfer",
                [float(paid[(part["period"] == t) & (part["site"] == site)].sum()) for t in range(3)],
                site,
            )
        add(f, "shortfall", [2 * 2.0 * demand.days.weight[t].sum() + (4000 * unfinished if t == 2 else 0) for t in range(3)])  # fmt: skip
    return out


def objective_of(plan: Tables) -> float:
    """0.6 mean + 0.4 mean of the worst half: all of future 1 (0.3) and 0.2 of future 0, or the dearer first."""
    cost = plan["costs"].groupby("future")["discounted"].sum()
    worst = max((0.5 * cost[0], 0.3 * cost[1] + 0.2 * cost[0])) / 0.5
    return float(0.6 * (0.7 * cost[0] + 0.3 * cost[1]) + 0.4 * worst)


@pytest.fixture(scope="module")
def harbour() -> tuple[Case, Demand, Tables]:
    case = Case.model_validate(case_document())
    demand = given_demand(case)
    return case, demand, hand_made_plan(demand)


def broken(case: Case, demand: Demand, plan: Tables, **more: Any) -> set[str]:
    """Checks that fail, without those of what only follows (`test_verify_every_number` has these)."""
    return {c.id for c in verify(case, demand, plan, **more).broken if not c.id.startswith("shown.")}


def test_hand_made_plan_passes_every_check_and_costs_what_the_formulas_say(
    harbour: tuple[Case, Demand, Tables],
) -> None:
    case, demand, plan = harbour
    found = verify(case, demand, plan, objective=objective_of(plan))
    assert found.broken == ()
    assert found.objective == pytest.approx(objective_of(plan), rel=1e-12)
    looked_at = {check.id for check in found.checks if check.rows}
    everything = {check.id for check in found.checks}
    assert everything - looked_at == {
        "resilience",
        "build_ahead.ratio",
        "purchases",
        "cash",
        "unserved",
        "shown.departures",  # nothing leaves
        "order_sites",
        "agreements",  # nothing is called off
        "price_break",
        "commitment",
    }  # tables it has not
    by_term = plan["costs"].groupby(["future", "term"])["discounted"].sum()
    again = found.costs.set_index(["future", "term"])["discounted"]
    assert again.to_dict() == pytest.approx({key: by_term.get(key, 0.0) for key in again.index}, rel=1e-12)
    assert found.require() is found


def first(frame: pd.DataFrame, **where: Any) -> int:
    mask = np.logical_and.reduce([frame[c] == v for c, v in where.items()])
    return int(np.flatnonzero(mask)[0])


def put(table: str, column: str, change: Any, **where: Any) -> Callable[[Tables], None]:
    """Change one cell of the first row that matches: to a value, or by a function of the old one."""

    def act(plan: Tables) -> None:
        row = first(plan[table], **where)
        old = plan[table].at[row, column]
        new = change(old) if callable(change) else change
        if isinstance(new, float) and plan[table][column].dtype.kind == "i":
            plan[table][column] = plan[table][column].astype(float)
        plan[table].at[row, column] = new

    return act


def together(*acts: Callable[[Tables], None]) -> Callable[[Tables], None]:
    def act(plan: Tables) -> None:
        for one in acts:
            one(plan)

    return act


def add_rows(table: str, *records: dict[str, Any]) -> Callable[[Tables], None]:
    def act(plan: Tables) -> None:
        plan[table] = pd.concat([plan[table], rows(table, list(records))], ignore_index=True)

    return act


def drop(table: str, **where: Any) -> Callable[[Tables], None]:
    def act(plan: Tables) -> None:
        plan[table] = plan[table].drop(index=first(plan[table], **where)).reset_index(drop=True)

    return act


def all_rows(table: str, column: str, factor: float, **where: Any) -> Callable[[Tables], None]:
    def act(plan: Tables) -> None:
        mask = np.logical_and.reduce([plan[table][c] == v for c, v in where.items()])
        plan[table].loc[mask, column] *= factor

    return act


HOUR = {"future": 1, "period": 0, "day": 0, "step": 5}
GPU_2 = {"branch": 1, "arrival_period": 2}


def drop_table(name: str) -> Callable[[Tables], None]:
    def act(plan: Tables) -> None:
        del plan[name]

    return act


# What things cost and leave to pay follows from them: their tables are wrong wherever the things are.
FOLLOW = {"costs", "owed"}
BROKEN_TABLES: list[tuple[str, Callable[[Tables], None], set[str]]] = [
    ("a table is missing", drop_table("campaigns"), {"tables", "campaign"}),
    ("a column is missing", lambda plan: plan.update(phases=plan["phases"].drop(columns="count")), {"tables", "site_power"}),
    ("unknown site", put("stock", "site", "Z", branch=1, period=0, site="A", module_type="gpu"), {"known", "stock"}),
    ("unknown region", put("shortfall", "region", "east"), {"known", "demand"}),
    ("period outside", put("billed", "period", 9, branch=0, period=0), {"known", "demand_charge", "nonanticipativity"}),
    ("half a module", put("gangs", "gangs", 0.5, workload="tune", branch=1, period=2), {"whole", "yield.held"}),
    ("negative", put("placement", "served", lambda v: -v, workload="index", **HOUR), {"nonnegative", "deferral", "deferral.window", "serving.busy"}),
    ("not a number", put("load", "busy", np.nan, workload="index", **HOUR), {"finite", "serving"}),
    ("twice", add_rows("openings", {"branch": -1, "period": 0, "site": "B"}), {"unique", "site_open.once", "budget"}),
    ("stock not from orders", put("stock", "owned", 17, branch=1, period=1, site="A", module_type="gpu"), {"stock"}),
    ("leased stock", put("stock", "leased", 2, branch=1, period=1, site="A", module_type="npu"), {"stock.leased"}),
    ("life ignored", add_rows("stock", {"branch": 0, "period": 2, "site": "B", "module_type": "npu", "owned": 5}), {"unique", "stock"}),
    ("no power", drop("phases", site="A"), {"site_power"}),
    ("too many phases", put("phases", "count", 3), {"phase_count", "budget"}),
    ("not opened", drop("openings", site="B"), {"site_open", "site_power"}),
    ("opened late", put("openings", "period", 2), {"site_open", "site_power", "budget"}),
    ("opened what stands", add_rows("openings", {"branch": -1, "period": 0, "site": "A"}), {"site_open.candidate"}),
    ("beyond supply", together(put("orders", "modules", 7, **GPU_2), put("stock", "owned", 19, branch=1, period=2, site="A", module_type="gpu")), {"supply", "budget", "vendor_share", "domestic_share"}),
    ("below the minimum order", together(put("orders", "modules", 1, **GPU_2), put("stock", "owned", 13, branch=1, period=2, site="A", module_type="gpu")), {"order_size"}),
    ("lead time", put("orders", "order_period", 2, **GPU_2), {"lead_time"}),
    ("before the start", put("orders", "order_period", -1, branch=-1, site="B"), {"lead_time"}),
    ("lease without notice", put("leases", "period", 0, period=1), {"lead_time", "lease_term.growth", "lease_term", "stock.leased"}),
    ("lease ends early", together(put("leases", "active", 1, period=2), all_rows("stock", "leased", 1 / 3, period=2)), {"lease_term"}),
    ("lease grows by itself", together(put("leases", "active", 4, period=2), all_rows("stock", "leased", 4 / 3, period=2)), {"lease_term.growth"}),
    ("part of a leased module", together(put("leases", "active", 3.5, period=2), all_rows("stock", "leased", 3.5 / 3, period=2)), {"whole", "lease_term.growth"}),
    ("lease kept by one future", together(put("leases", "branch", 1, period=1), put("stock", "leased", 0, branch=0, period=1, site="A", module_type="npu")), {"nonanticipativity", "lease_term.growth"}),
    ("lease too large", together(all_rows("leases", "started", 3, lease="rent"), all_rows("leases", "active", 3, lease="rent"), all_rows("stock", "leased", 3, leased=3)), {"lease_term.maximum", "utilisation"}),
    ("early order by future", put("orders", "branch", 1, branch=-1, site="B"), {"nonanticipativity", "stock", "capacity", "gangs_fit", "build_ahead.gangs", "capacity_target", "domestic_share", "vendor_share"}),
    ("too many gangs", put("gangs", "gangs", 9, workload="train", branch=1, period=1), {"gangs_fit", "build_ahead", "build_ahead.gangs"}),
    ("gang where it cannot run", put("gangs", "module_type", "gpu", workload="tune", branch=1, period=2), {"gang_place", "yield.held", "build_ahead", "build_ahead.gangs"}),
    ("a large pool of nothing", add_rows("pools", {"branch": -1, "period": 0, "workload": "chat", "site": "B", "module_type": "gpu"}), {"serving.pools"}),
    ("training work lost", put("gangs", "gangs", 0, workload="train", branch=1, period=2), {"yield.held", "build_ahead"}),
    ("training shortfall", put("training", "shortfall_unit_hours", 1e5, workload="train"), {"minimum_service", "training"}),
    ("campaign not done", put("campaigns", "share", 0.2, branch=1), {"campaign"}),
    ("campaign late", put("campaigns", "period", 0, branch=1), {"campaign.place", "campaign", "nonanticipativity"}),
    ("campaign split", add_rows("campaigns", {"branch": 1, "campaign": "big", "period": 2, "site": "A", "module_type": "npu", "on": 1}), {"campaign.one_place", "campaign.place"}),
    ("campaign while off", put("campaigns", "on", 0, branch=1), {"campaign.share"}),
    ("demand not met", put("placement", "served", lambda v: v - 3, workload="chat", region="north", **HOUR), {"demand", "serving.busy"}),
    ("served elsewhere", put("placement", "site", "B", workload="chat", region="north", **HOUR), {"demand.pairs", "serving", "serving.busy"}),
    ("training placed", add_rows("placement", HOUR | {"workload": "tune", "region": "south", "site": "B", "served": 1}), {"demand.training"}),
    ("work vanishes", all_rows("placement", "served", 0.9, workload="index", **HOUR), {"deferral", "serving.busy"}),
    ("work waits too long", together(put("placement", "served", lambda v: v - 9, workload="index", **HOUR | {"step": 6}), put("placement", "served", lambda v: v + 9, workload="index", **HOUR | {"step": 15}), put("load", "busy", lambda v: v + 9 / 16, workload="index", **HOUR | {"step": 15})), {"deferral.window", "serving.busy"}),
    ("outside allowed hours", put("placement", "step", 15, workload="batch", **HOUR), {"deferral.hours", "serving", "serving.busy"}),
    ("too fast", together(all_rows("placement", "served", 2.0, workload="batch", future=1, step=5), all_rows("placement", "served", 0.0, workload="batch", future=1, step=6), all_rows("load", "busy", 2.0, workload="batch", future=1, step=5)), {"deferral.rate", "serving.busy"}),
    ("too few busy", put("load", "busy", lambda v: v * 0.99, workload="chat", site="B", **HOUR), {"serving"}),
    ("wrong type", put("load", "module_type", "npu", workload="batch", **HOUR), {"serving", "serving.type", "capacity"}),
    ("too many busy", put("load", "busy", 20, workload="chat", site="A", **HOUR), {"capacity", "demand_charge", "serving.busy"}),
    ("busy for nothing", put("load", "busy", lambda v: v * 1.01, workload="chat", site="B", **HOUR), {"serving.busy"}),
    ("busy without any work", add_rows("load", HOUR | {"site": "A", "module_type": "npu", "workload": "chat", "busy": 0.1}), {"serving.busy", "capacity"}),
    ("training done twice", all_rows("load", "busy", 1.02, workload="train"), {"training"}),
    ("gangs at work beyond those held", all_rows("load", "busy", 1.4, workload="tune", future=1, period=2), {"training", "yield.held"}),
    ("campaign done twice", put("campaigns", "share", 0.7, branch=1), {"campaign"}),
    ("held gang idles", put("load", "busy", 0, workload="tune", **HOUR), {"capacity.load_table", "training"}),
    ("gang yields too much", all_rows("load", "busy", 0.8, workload="train", **{k: HOUR[k] for k in ("future", "period", "day")}), {"yield", "training", "yield.most"}),
    ("gang larger than itself", put("load", "busy", 2.5, workload="train", **HOUR), {"yield.most", "training", "yield"}),
    ("owed too little", put("owed", "undiscounted", lambda v: v * 0.99, kind="phase"), {"owed"}),
    ("owed and forgotten", drop("owed", kind="opening"), {"owed"}),
    ("owed and said to be in the cost", put("owed", "counted", 1, kind="order"), {"owed"}),
    ("billed too little", put("billed", "billed_kw", lambda v: v - 301, branch=1, period=2), {"demand_charge"}),
    ("phase not of the site", put("phases", "site", "B"), {"known", "site_power"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [x[1:] for x in BROKEN_TABLES], ids=[x[0] for x in BROKEN_TABLES])
def test_a_wrong_table_trips_its_checks(
    harbour: tuple[Case, Demand, Tables], change: Callable[[Tables], None], expected: set[str]
) -> None:
    case, demand, plan = harbour
    copied = {name: frame.copy() for name, frame in plan.items()}
    change(copied)
    found = broken(case, demand, copied)
    assert found - (FOLLOW - expected) == expected


def merged(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    out = copy.deepcopy(document)
    *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    place: Any = out
    for step in parents:
        place = place[step]
    place[last] = value
    return out


BROKEN_LIMITS: list[tuple[str, Any, set[str]]] = [
    ("policy/budget", [8000, 10847, 2000], {"budget"}),
    ("policy/carbon_cap_tonnes", 500, {"carbon_cap"}),
    ("policy/green_share_floor", 0.6, {"green_share"}),
    ("policy/domestic_share_floor", 0.1, {"domestic_share"}),
    ("policy/vendor_share_cap", {"acme": 0.85}, {"vendor_share"}),
    ("policy/capacity_targets_eflops", [0.2, 0.3, None], {"capacity_target"}),
    ("policy/build_ahead", {"minimum": 1.2}, {"build_ahead"}),
    ("policy/build_ahead", {"maximum": 2.2}, {"build_ahead.most"}),
    ("policy/utilisation_floor", 0.6, {"utilisation"}),
    ("policy/max_module_types", {"A": 0}, {"type_count"}),
    ("sites/0/power_mw", [1.2, 0.7, 1.2], {"site_power"}),
    ("sites/0/space_racks", 30, {"site_space"}),
    ("module_types/0/supply", [6, 3, 6], {"supply"}),
    ("module_types/0/min_order", 3, {"order_size"}),
    ("module_types/0/availability", 0.4, {"capacity"}),
    ("workloads/0/residency", {"south": ["B"]}, {"demand.pairs", "build_ahead"}),
    ("workloads/0/latency_ms", 10, {"demand.pairs", "build_ahead"}),
    ("workloads/0/minimum_service", 0.9999, {"minimum_service"}),
    ("workloads/0/burst_factor", 1.3, {"serving"}),
    ("workloads/3/max_yield_share", 0.1, {"yield.most"}),
    ("workloads/2/window_hours", 1, {"deferral.window"}),
    ("campaigns/0/due", 1, set()),
    ("campaigns/0/value", None, {"campaign.finish"}),
    ("network/bandwidth_gbps", {"north": {"A": 0.5}}, {"bandwidth"}),
    ("leases/0/maximum_modules", 2, {"lease_term.maximum"}),
]


@pytest.mark.parametrize(("path", "value", "expected"), BROKEN_LIMITS, ids=[x[0] for x in BROKEN_LIMITS])
def test_a_tighter_limit_is_seen(
    harbour: tuple[Case, Demand, Tables], path: str, value: Any, expected: set[str]
) -> None:
    _, demand, plan = harbour
    case = Case.model_validate(merged(case_document(), path, value))
    assert broken(case, demand, plan) - FOLLOW == expected


PRICES = [
    ("horizon/discount_rate", 0.09, "opex"),
    ("horizon/costing", "upfront", "capex"),
    ("module_types/0/order_cost", 300, "order_charges"),
    ("sites/0/phases/0/capex", 9900, "phases"),
    ("sites/1/opening_life_periods", 40, "openings"),
    ("leases/0/price_per_module_period", 31, "leases"),
    ("tariffs/0/prices_per_kwh", {"flat": 0.61, "valley": 0.3}, "energy"),
    ("sites/0/demand_charge_per_kw_month", 41, "demand_charge"),
    ("policy/carbon_price_per_tonne", 51, "carbon"),
    ("network/transfer_cost_per_gb", {"north": {"A": 0.011}}, "transfer"),
    ("workloads/0/shortfall_cost", 2.1, "shortfall"),
    ("campaigns/0/value", 4100, "shortfall"),
]


@pytest.mark.parametrize(("path", "value", "term"), PRICES, ids=[x[0] for x in PRICES])
def test_every_price_reaches_its_term(harbour: tuple[Case, Demand, Tables], path: str, value: Any, term: str) -> None:
    _, demand, plan = harbour
    case = Case.model_validate(merged(case_document(), path, value))
    found = verify(case, demand, plan, objective=objective_of(plan))
    assert {check.id for check in found.broken if not check.id.startswith("shown.")} - {"owed"} == {
        "costs",
        "objective",
    }
    listed = plan["costs"].groupby(["future", "term"])["discounted"].sum()
    again = found.costs.set_index(["future", "term"])["discounted"]
    assert again[0, term] != pytest.approx(listed[0, term], rel=1e-6)


def test_the_objective_follows_the_risk_measure(harbour: tuple[Case, Demand, Tables]) -> None:
    case, demand, plan = harbour
    cost = plan["costs"].groupby("future")["discounted"].sum()
    for measure, value in (
        ({"kind": "expected"}, 0.7 * cost[0] + 0.3 * cost[1]),
        ({"kind": "cvar", "alpha": 0.0, "weight": 1.0}, 0.7 * cost[0] + 0.3 * cost[1]),
        ({"kind": "cvar", "alpha": 0.9, "weight": 1.0}, max(cost)),
        ({"kind": "cvar", "alpha": 0.5, "weight": 0.4}, objective_of(plan)),
    ):
        other = Case.model_validate(merged(case_document(), "risk/objective", measure))
        assert verify(other, demand, plan).objective == pytest.approx(value, rel=1e-12)
    assert broken(case, demand, plan, objective=objective_of(plan) * (1 + 1e-5)) == {"objective"}
    assert broken(case, demand, plan, objective=objective_of(plan) * (1 + 1e-7)) == set()


def test_a_site_lost_at_the_peak(harbour: tuple[Case, Demand, Tables]) -> None:
    """The south needs 80 x 1.5 x 1.1 = 132 at its peak; without B it has A's modules, without A only B's.

    A serves it all; B has 5 modules that serve 8 x 5 x 0.8 / 1.25 = 25.6 each, 128 in all, and in quarter 2 none.
    """
    _, demand, plan = harbour
    only_b = merged(case_document(), "policy/resilience", {"workloads": ["chat"], "sites": ["B"]})
    assert broken(Case.model_validate(only_b), demand, plan) == set()
    lost = merged(only_b, "policy/resilience/sites", ["A"])
    lost = merged(lost, "workloads/0/residency", {})
    found = verify(Case.model_validate(lost), demand, plan)
    assert {check.id for check in found.broken} == {"resilience"}
    check = next(c for c in found.checks if c.id == "resilience")
    assert check.largest == pytest.approx(1.0)
    assert "2026Q3" in check.where
    assert "lost site A" in check.where


def test_the_error_names_every_broken_check_and_its_place(harbour: tuple[Case, Demand, Tables]) -> None:
    case, demand, plan = harbour
    copied = {name: frame.copy() for name, frame in plan.items()}
    put("stock", "owned", 17, branch=1, period=1, site="A", module_type="gpu")(copied)
    put("load", "busy", 0, workload="tune", **HOUR)(copied)
    with pytest.raises(VerificationError) as error:
        verify(case, demand, copied).require()
    text = str(error.value)
    assert "future 1, site A, module type gpu, period 2026Q2: found 17, allowed exactly 16" in text
    assert "capacity.load_table" in text
    broken = {c.id for c in error.value.verification.broken if not c.id.startswith("shown.")}
    assert broken == {"stock", "capacity.load_table", "training", "costs"}


def test_demand_of_another_case_is_refused(harbour: tuple[Case, Demand, Tables]) -> None:
    _, demand, plan = harbour
    document = case_document()
    document["regions"] = [*document["regions"], {"id": "east", "names": "East", "lat": 1, "lon": 1}]
    with pytest.raises(ValueError, match="does not belong"):
        verify(Case.model_validate(document), demand, plan)
