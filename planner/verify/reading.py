"""A plan's tables as arrays; a row that cannot be read is a fault, with its row, what was found and what is allowed.

A row with branch -1 holds in every future, a row with branch f in future f alone; the arrays have one entry a future.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import BANDS
from planner.plan.tables import TABLES
from planner.verify.agreements import CalledOff, called_off
from planner.verify.facts import Facts
from planner.verify.report import Book

_WHOLE = 1e-6


@dataclass(frozen=True)
class Rows:
    """The readable rows of a table: positions on the axes and values, aligned."""

    index: dict[str, IntArray]
    value: dict[str, FloatArray]
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class PlanArrays:
    """See `planner.verify.facts` for the axes. Decisions stand once for every future."""

    tables: dict[str, Rows]
    orders: FloatArray  # (F, S, K, T) modules by arrival
    price: FloatArray  # (F, K, T) what a module that arrives costs, less what agreements take off
    signed: FloatArray  # (F, A)
    agreements: CalledOff
    phases: FloatArray  # (F, P, T) by arrival
    openings: FloatArray  # (F, S, T)
    departures: FloatArray  # (F, rows of the fleet, S + 1, T) by where to (last: retired) and when they leave
    lease_start: FloatArray  # (F, L, T)
    lease_active: FloatArray  # (F, L, T)
    owned: FloatArray  # (F, S, K, T) as the stock table says
    leased: FloatArray  # (F, S, K, T) as the stock table says
    gangs: FloatArray  # (F, W, S, K, T)
    pools: FloatArray  # (F, W, S, K, T) 1 where a pool is large
    campaign_on: FloatArray  # (F, C, S, K, T)
    campaign_share: FloatArray  # (F, C, S, K, T)
    unfinished: FloatArray  # (F, C)
    billed_kw: FloatArray  # (F, S, T, 12) by calendar month, 0 where a month has no bill
    training_shortfall: FloatArray  # (F, W, T) unit-hours


class Reader:
    def __init__(self, facts: Facts, tables: Mapping[str, pd.DataFrame], book: Book) -> None:
        self.facts, self.tables, self.book = facts, tables, book
        case = facts.case
        self.names: dict[str, list[str]] = {
            "site": facts.labels["site"],
            "module_type": facts.labels["module type"],
            "workload": facts.labels["workload"],
            "job": facts.labels["workload"] + facts.labels["campaign"],
            "region": facts.labels["region"],
            "campaign": facts.labels["campaign"],
            "lease": facts.labels["lease"],
            "band": [*BANDS, "mean"],
            "to_site": [*facts.labels["site"], ""],
            "agreement": [x.id for x in case.agreements],
        }
        periods, days, steps = facts.shape
        self.numbers: dict[str, tuple[int, int]] = {
            "branch": (-1, facts.futures),
            "future": (0, facts.futures),
            "period": (0, periods),
            "order_period": (-periods - max((k.lead_periods for k in case.module_types), default=0) - 80, periods),
            "arrival_period": (0, periods),
            "day": (0, days),
            "step": (0, steps),
            "month": (1, 13),
            "fleet_row": (0, len(case.fleet)),
            "phase": (0, max((len(s.phases) for s in case.sites), default=0)),
        }

    def frame(self, name: str) -> pd.DataFrame:
        """A table with the columns that it must have; faults are written down."""
        columns = [c.name for c in TABLES[name].columns]
        found = self.tables.get(name)
        if found is None:
            self.book.rule("tables", 1, 1, np.inf, f"table {name}: not there, allowed: an empty table")
            return TABLES[name].frame({c: [] for c in columns})
        missing = [c for c in columns if c not in found.columns]
        if missing:
            self.book.rule("tables", 1, 1, np.inf, f"table {name}: no column {', '.join(missing)}")
            return TABLES[name].frame({c: [] for c in columns})
        self.book.rule("tables", 1, 0, 0.0, "")
        return found

    def _position(self, axis: str, column: pd.Series) -> IntArray:
        if axis in self.names:
            return np.asarray(pd.Index(self.names[axis]).get_indexer(pd.Index(column)), np.int64)
        low, high = self.numbers[axis]
        number = pd.to_numeric(column, errors="coerce").to_numpy(float)
        fine = np.isfinite(number) & (number == np.round(number)) & (number >= low) & (number < high)
        return np.where(fine, np.where(fine, number, 0).astype(np.int64), np.iinfo(np.int64).min)

    def read(
        self,
        name: str,
        axes: Mapping[str, str],
        values: Sequence[str],
        whole: Sequence[str] = (),
        *,
        key: bool = True,
        signed: Sequence[str] = (),
        empty: Sequence[str] = (),
    ) -> Rows:
        """The rows of a table: `axes` maps columns to axes, `values` are quantities of at least 0, `whole` whole ones.

        With `key` the axes' columns may stand together only once. signed: quantities that may be below 0; empty: those
        that need not be there (NaN).
        """
        frame, book = self.frame(name), self.book
        total = len(frame)
        fine = np.ones(total, bool)
        index: dict[str, IntArray] = {}
        for column, axis in axes.items():
            position = self._position(axis, frame[column])
            lost = position == np.iinfo(np.int64).min if axis in self.numbers else position < 0
            self._report("known", name, column, frame[column], lost, self._words(axis))
            fine &= ~lost
            index[column] = position
        value: dict[str, FloatArray] = {}
        for column in values:
            number = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
            odd = ~np.isfinite(number) & ~(np.isnan(number) & (column in empty))
            self._report("finite", name, column, frame[column], odd, "a finite number")
            number = np.where(odd, 0.0, number)
            below = (number < -book.tolerance) & (column not in signed)
            self._report("nonnegative", name, column, frame[column], below, "at least 0", -number)
            if column in whole:
                off = np.abs(number - np.round(number))
                self._report("whole", name, column, frame[column], off > _WHOLE, "a whole number", off)
            fine &= ~odd
            value[column] = number
        if key and total:
            doubled = pd.DataFrame(index).duplicated().to_numpy() & fine
            words = ", ".join(axes)
            self._report("unique", name, words, frame[next(iter(axes))], doubled, f"each ({words}) once")
        if not fine.all():
            index = {c: v[fine] for c, v in index.items()}
            value = {c: v[fine] for c, v in value.items()}
            frame = frame[fine]
        return Rows(index, value, frame)

    def _words(self, axis: str) -> str:
        if axis in self.names:
            names = self.names[axis]
            return f"one of {', '.join(names[:12])}{' …' if len(names) > 12 else ''}" if names else "none"
        low, high = self.numbers[axis]
        return f"a whole number from {low} to {high - 1}"

    def _report(
        self,
        id: str,
        name: str,
        column: str,
        found: pd.Series,
        bad: BoolArray,
        allowed: str,
        size: FloatArray | None = None,
    ) -> None:
        count = int(bad.sum())
        if not count:
            self.book.rule(id, len(bad), 0, 0.0, "")
            return
        at = int(np.where(bad, size, -np.inf).argmax()) if size is not None else int(bad.argmax())
        where = f"table {name}, row {at}, {column}: found {found.iloc[at]!r}, allowed {allowed} ({count} such rows)"
        self.book.rule(id, len(bad), count, float(size[at]) if size is not None else float(count), where)


def spread(rows: Rows, column: str, shape: tuple[int, ...], futures: int, axes: Sequence[str]) -> FloatArray:
    """Sum `column` into (futures, *shape): a row of branch -1 goes into every future."""
    branch = rows.index["branch"]
    flat = np.zeros(len(branch), np.int64)
    for axis, size in zip(axes, shape, strict=True):
        flat = flat * size + rows.index[axis]
    size = int(np.prod(shape, dtype=np.int64))
    out = np.zeros((futures, size))
    common = branch < 0
    out += np.bincount(flat[common], weights=rows.value[column][common], minlength=size)[:size]
    np.add.at(out, (branch[~common], flat[~common]), rows.value[column][~common])
    return out.reshape(futures, *shape)


def read_plan(facts: Facts, tables: Mapping[str, pd.DataFrame], book: Book) -> PlanArrays:
    """Read every table that holds a decision or a consequence of one."""
    reader, case = Reader(facts, tables, book), facts.case
    F, S, K, T = facts.futures, len(case.sites), len(case.module_types), case.horizon.periods
    W, C, L = len(case.workloads), len(case.campaigns), len(case.leases)
    same = {"branch": "branch", "period": "period", "site": "site", "module_type": "module_type"}
    moved = {"branch": "branch", "order_period": "order_period", "arrival_period": "arrival_period", "site": "site"}
    hourly = {"future": "future", "period": "period", "day": "day", "step": "step"}
    read = {
        "orders": reader.read(
            "orders",
            moved | {"module_type": "module_type"},
            ["modules", "cards", "pflops", "capex", "order_cost"],
            ["modules", "cards"],
        ),
        "agreements": reader.read(
            "agreements",
            {"branch": "branch", "period": "period", "agreement": "agreement"},
            ["signs", "called_off", "to_date", "discount", "saved", "missing", "paid"],
            ["signs", "called_off", "to_date", "missing"],
        ),
        "phases": reader.read("phases", moved | {"phase": "phase"}, ["count", "mw", "capex"], ["count"]),
        "openings": reader.read("openings", {"branch": "branch", "period": "period", "site": "site"}, ["cost"]),
        "departures": reader.read(
            "departures",
            {"branch": "branch", "period": "period", "fleet_row": "fleet_row", "to_site": "to_site"},
            ["modules", "in_service_period", "freed_mw", "price"],
            ["modules", "in_service_period"],
            signed=["in_service_period", "price"],
        ),
        "leases": reader.read(
            "leases",
            {"branch": "branch", "period": "period", "lease": "lease"},
            ["started", "active", "cost"],
            ["started", "active"],
        ),
        "stock": reader.read("stock", same, ["owned", "leased", "pflops", "power_mw"], ["owned"]),
        "gangs": reader.read("gangs", same | {"workload": "workload"}, ["gangs", "modules"], ["gangs", "modules"]),
        "pools": reader.read("pools", same | {"workload": "workload"}, []),
        "campaigns": reader.read(
            "campaigns", same | {"campaign": "campaign"}, ["modules", "on", "share"], ["modules", "on"]
        ),
        "unfinished": reader.read("unfinished", {"branch": "branch", "campaign": "campaign"}, ["share"]),
        "billed": reader.read(
            "billed",
            {"branch": "branch", "period": "period", "site": "site", "month": "month"},
            ["billed_kw", "cost"],
        ),
        "owed": reader.read(
            "owed",
            {"branch": "branch", "period": "period", "site": "site"},
            ["count", "periods_left", "undiscounted", "discounted", "counted"],
            ["count", "periods_left", "counted"],
            key=False,
        ),
        "training": reader.read(
            "training",
            {"future": "future", "period": "period", "workload": "workload"},
            [
                "demand_unit_hours",
                "delivered_unit_hours",
                "shortfall_unit_hours",
                "held_module_hours",
                "busy_module_hours",
            ],
        ),
        "placement": reader.read(
            "placement", hourly | {"workload": "workload", "region": "region", "site": "site"}, ["served"]
        ),
        "load": reader.read(
            "load", hourly | {"site": "site", "module_type": "module_type", "workload": "job"}, ["busy"]
        ),
        "shortfall": reader.read("shortfall", hourly | {"workload": "workload", "region": "region"}, ["shortfall"]),
    }
    for name in ("placement", "load", "shortfall"):
        index = read[name].index
        unused = ~facts.used[index["period"], index["day"]]
        reader._report(
            "known", name, "day", read[name].frame["day"], unused, "a day that stands for part of its period"
        )
    _phase_index(facts, reader, read["phases"])
    ones = Rows(read["openings"].index, {"one": np.ones(len(read["openings"]))}, read["openings"].frame)
    late = _training(read["training"])
    pools = Rows(read["pools"].index, {"one": np.ones(len(read["pools"]))}, read["pools"].frame)
    rows = read["billed"]
    billed = Rows(rows.index | {"month": rows.index["month"] - 1}, rows.value, rows.frame)
    orders = spread(read["orders"], "modules", (S, K, T), F, ("site", "module_type", "arrival_period"))
    signed = spread(read["agreements"], "signs", (len(case.agreements),), F, ("agreement",))
    agreements = called_off(case, orders, signed, facts.capex)
    return PlanArrays(
        tables=read,
        orders=orders,
        price=facts.capex * (1 - agreements.discount),
        signed=signed,
        agreements=agreements,
        phases=spread(read["phases"], "count", (len(facts.phases), T), F, ("flat", "arrival_period")),
        openings=spread(ones, "one", (S, T), F, ("site", "period")),
        departures=spread(
            read["departures"],
            "modules",
            (len(case.fleet), S + 1, T),
            F,
            ("fleet_row", "to_site", "period"),
        ),
        lease_start=spread(read["leases"], "started", (L, T), F, ("lease", "period")),
        lease_active=spread(read["leases"], "active", (L, T), F, ("lease", "period")),
        owned=spread(read["stock"], "owned", (S, K, T), F, ("site", "module_type", "period")),
        leased=spread(read["stock"], "leased", (S, K, T), F, ("site", "module_type", "period")),
        gangs=spread(read["gangs"], "gangs", (W, S, K, T), F, ("workload", "site", "module_type", "period")),
        pools=spread(pools, "one", (W, S, K, T), F, ("workload", "site", "module_type", "period")),
        campaign_on=spread(read["campaigns"], "on", (C, S, K, T), F, ("campaign", "site", "module_type", "period")),
        campaign_share=spread(
            read["campaigns"], "share", (C, S, K, T), F, ("campaign", "site", "module_type", "period")
        ),
        unfinished=spread(read["unfinished"], "share", (C,), F, ("campaign",)),
        billed_kw=spread(billed, "billed_kw", (S, T, 12), F, ("site", "period", "month")),
        training_shortfall=spread(late, "shortfall_unit_hours", (W, T), F, ("workload", "period")),
    )


def _training(rows: Rows) -> Rows:
    return Rows(rows.index | {"branch": rows.index["future"]}, rows.value, rows.frame)


def _phase_index(facts: Facts, reader: Reader, rows: Rows) -> None:
    """Add the position among all sites' phases as axis "flat"; a phase that its site does not have is unknown."""
    start = np.array([sum(len(x.phases) for x in facts.case.sites[:s]) for s in range(len(facts.case.sites))])
    count = np.array([len(x.phases) for x in facts.case.sites])
    lost = rows.index["phase"] >= count[rows.index["site"]]
    reader._report("known", "phases", "phase", rows.frame["phase"], lost, "a phase of this site")
    rows.value["count"][lost] = 0.0
    rows.index["flat"] = np.where(lost, 0, start[rows.index["site"]] + rows.index["phase"])
