"""The model of docs/model.md written down once more, plainly, for scipy's HiGHS: one variable at a time, no arrays.

Written from the page and not from `planner/program`; it reads the case's document alone. What the random cases do not
hold (windows over hours, bandwidth, resilience, space, service levels, build-ahead) is left out.
"""

# ruff: noqa: B023, E501 (`busy` is used within the turn of the loop it is made in; a row on one line reads better)

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

Term = tuple[float, int]
Key = tuple[Any, ...]


class Model:
    """Columns by name and rows as lists of (coefficient, column)."""

    def __init__(self) -> None:
        self.index: dict[Key, int] = {}
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.whole: list[int] = []
        self.rows: list[tuple[list[Term], float, float]] = []

    def new(self, *name: Any, upper: float = math.inf, whole: bool = False, lower: float = 0.0) -> int:
        if name not in self.index:
            self.index[name] = len(self.lower)
            self.lower.append(lower)
            self.upper.append(upper)
            self.whole.append(int(whole))
        return self.index[name]

    def row(self, terms: Iterable[Term], lower: float = -math.inf, upper: float = math.inf) -> None:
        self.rows.append((list(terms), lower, upper))

    def solve(self, cost: dict[int, float], gap: float, constant: float = 0.0) -> tuple[str, float, float]:
        """Status, objective and bound."""
        entries = [(r, c, a) for r, (terms, _, _) in enumerate(self.rows) for a, c in terms]
        r, c, a = zip(*entries, strict=True)
        matrix = sp.csr_matrix((a, (r, c)), shape=(len(self.rows), len(self.lower)))
        limits = LinearConstraint(matrix, [x[1] for x in self.rows], [x[2] for x in self.rows])
        objective = np.zeros(len(self.lower))
        for column, price in cost.items():
            objective[column] += price
        found = milp(
            objective, integrality=self.whole, bounds=Bounds(self.lower, self.upper), constraints=limits,
            options={"mip_rel_gap": gap, "time_limit": 60},
        )  # fmt: skip
        if found.x is None:
            return ("infeasible" if found.status == 2 else "none"), math.nan, math.nan
        bound = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
        return "optimal", float(found.fun) + constant, float(bound) + constant


def each(value: Any, periods: int) -> list[float]:
    return [float(v) for v in value] if isinstance(value, list) else [float(value)] * periods


def reference(
    case: dict[str, Any], gap: float = 1e-9, *, unserved_at_most: float | None = None
) -> tuple[str, float, float]:
    """Status, optimum and bound of the case; of those plans that leave no more unserved, where that is limited.

    What stays unserved is measured in shares of what each workload asks, added up over workloads, in the mean over
    futures.
    """
    m, cost, fixed, pi, unserved = _stated(case)
    if unserved_at_most is not None:
        m.row(unserved, upper=unserved_at_most + 1e-9)
    return _with_risk(m, case, cost, fixed, pi, gap)


def least_unserved(case: dict[str, Any]) -> float:
    """The least that any plan of the case leaves unserved, whatever it costs (measured as in `reference`)."""
    m, _, _, _, unserved = _stated(case)
    prices: dict[int, float] = defaultdict(float)
    for share, column in unserved:
        prices[column] += share
    return m.solve(prices, 1e-9)[2]


Stated = tuple[Model, dict[int, dict[int, float]], dict[int, float], list[float], list[Term]]


def _stated(case: dict[str, Any]) -> Stated:
    """The program, the cost of its columns and the rest of it by future, probabilities, and what stays unserved."""
    horizon, policy, sites, kinds = case["horizon"], case["policy"], case["sites"], case["module_types"]
    T, rho, per = horizon["periods"], horizon["discount_rate"], horizon["months_per_period"] / 12
    delta = [(1 + rho) ** (-t * per) for t in range(T)]
    i = (1 + rho) ** per - 1
    S, K = [s["id"] for s in sites], [k["id"] for k in kinds]
    site, kind = {s["id"]: s for s in sites}, {k["id"]: k for k in kinds}
    futures, days, hours = case["demand"]["futures"], case["demand"]["days"], case["demand"]["step_hours"]
    F, D, H = range(len(futures)), range(len(days)), range(len(hours))
    pi = [f["probability"] for f in futures]
    weight = [d["weight_days"] for d in days]
    work = {w["id"]: w for w in case["workloads"]}
    regions = [r["id"] for r in case["regions"]]
    total_hours = sum(weight) * sum(hours)
    commit = horizon.get("commit_periods")
    split = len(futures) > 1 and commit is not None and commit < T

    def branch(f: int, decided: int) -> int:
        """The branch whose column a decision of a period is."""
        return f if split and decided >= commit else 0

    ask: dict[Key, float] = defaultdict(float)
    for f in F:
        for series in futures[f]["series"]:
            for t in range(T):
                for d in D:
                    for h in H:
                        ask[f, series["workload"], series["region"], t, d, h] += series["values"][t][d][h]

    def charge(price: float, life: int, t: int) -> float:
        if horizon["costing"] == "upfront":
            return price * delta[t]
        pay = price / life if i == 0 else price * i / ((1 - (1 + i) ** -life) * (1 + i))
        return sum(delta[u] * pay for u in range(t, min(t + life, T)))

    def standing(s: str, k: str, t: int) -> float:
        """Modules that stand at the start of period t (quarters from 2027-01-01)."""
        start = f"2027-{1 + 3 * t:02d}-01"
        return sum(
            x["modules"] for x in case["fleet"]
            if x["site"] == s and x["module_type"] == k and ("retire" not in x or x["retire"] > start)
        )  # fmt: skip

    m = Model()
    cost: dict[int, dict[int, float]] = {f: defaultdict(float) for f in F}  # by future
    unserved: list[Term] = []
    wanted_of: dict[str, float] = defaultdict(float)
    for (f, w, _r, _t, d, h), value in ask.items():
        wanted_of[w] += pi[f] * weight[d] * hours[h] * value
    fixed = dict.fromkeys(F, 0.0)
    tariff = {t["id"]: t["prices_per_kwh"]["flat"] for t in case["tariffs"]}
    price = {s: tariff[site[s]["tariff"]] for s in S}
    carbon_price = each(policy.get("carbon_price_per_tonne", 0), T)
    peak = {k: float(kind[k]["power_peak_kw"]) for k in K}
    idle = {k: float(kind[k]["power_idle_kw"]) for k in K}
    candidate = {s: site[s].get("status") == "candidate" and site[s].get("opening_cost", 0) > 0 for s in S}
    theta = {
        (w["id"], k): w["throughput"].get(k, 0.0) * kind[k]["cards"] * w.get("max_utilisation", 1.0)
        for w in case["workloads"] for k in K
    }  # fmt: skip
    large = {(w["id"], k): x for w in case["workloads"] for k, x in w.get("large_pools", {}).items()}
    big = 200.0
    allowed_late = [w for w in work if work[w].get("kind") != "training"]

    def orders(f: int, s: str, k: str, t: int) -> int:
        lead = kind[k]["lead_periods"]
        return m.new("orders", branch(f, t - lead), s, k, t, whole=True, upper=0.0 if t < lead else big)

    def phases(f: int, s: str, p: int, t: int) -> int:
        phase = site[s]["phases"][p]
        lead = phase["lead_periods"]
        return m.new(
            "phases", branch(f, t - lead), s, p, t, whole=True, upper=0.0 if t < lead else phase["max_count"]
        )  # fmt: skip

    def opening(f: int, s: str, t: int) -> int:
        return m.new("opening", branch(f, t), s, t, whole=True, upper=1.0)

    def leased(f: int, n: int, t: int) -> int:
        most = math.floor(each(case["leases"][n]["maximum_modules"], T)[t] + 1e-9)
        return m.new("leased", branch(f, t), n, t, whole=True, upper=most)

    def started(f: int, n: int, t: int) -> int:
        lease = case["leases"][n]
        notice = lease["notice_periods"]
        most = math.floor(each(lease["maximum_modules"], T)[t] + 1e-9)
        return m.new("started", branch(f, t - notice), n, t, whole=True, upper=0.0 if t < notice else most)

    def alive(t: int, life: int) -> range:
        return range(max(t - life + 1, 0), t + 1)

    def until(row: dict[str, Any]) -> int:
        """First period in which a row of the fleet no longer stands (quarters from 2027-01-01)."""
        return (int(row["retire"][5:7]) - 1) // 3 if "retire" in row else 99

    def leaves(f: int, i: int, to: str, t: int) -> int:
        """Modules of a row of the fleet that leave at the start of t: to a site, or "" for retired."""
        row = case["fleet"][i]
        may = row.get("may_retire", False) if to == "" else to in row.get("may_move_to", [])
        back = t + (kind[row["module_type"]]["moving_periods"] if may and to else 0)
        most = row["modules"] if may and t < until(row) and back < min(until(row), T) else 0
        return m.new("leaves", branch(f, t), i, to, t, whole=True, upper=float(most))

    def missing(f: int, s: str, k: str, t: int) -> list[Term]:
        """Less of what stood at a place."""
        return [
            (-1.0, leaves(f, i, to, u))
            for i, row in enumerate(case["fleet"]) if (row["site"], row["module_type"]) == (s, k) and t < until(row)
            for to in ("", *S) for u in range(t + 1)
        ]  # fmt: skip

    def brought(f: int, s: str, k: str, t: int) -> list[Term]:
        """What was moved to a place and serves there."""
        return [
            (1.0, leaves(f, i, s, u))
            for i, row in enumerate(case["fleet"]) if row["module_type"] == k and t < until(row)
            for u in range(t + 1 - kind[k].get("moving_periods", 1))
        ]  # fmt: skip

    def cap(f: int, s: str, k: str, t: int) -> tuple[list[Term], float]:
        """Terms and constant of cap_skt."""
        terms: list[Term] = [(1.0, orders(f, s, k, u)) for u in alive(t, kind[k]["life_periods"])]
        terms += [*missing(f, s, k, t), *brought(f, s, k, t)]
        terms += [
            (1.0, leased(f, n, t)) for n, x in enumerate(case["leases"]) if (x["site"], x["module_type"]) == (s, k)
        ]
        return terms, standing(s, k, t)

    gang_jobs = [w for w in work if work[w].get("kind") == "training"]
    size = {(w, k): math.ceil(work[w]["gang_cards"] / kind[k]["cards"]) for w in gang_jobs for k in K}

    def gangs(f: int, j: str, s: str, k: str, t: int) -> int:
        return m.new("gangs", branch(f, t), j, s, k, t, whole=True, upper=big if theta[j, k] > 0 else 0.0)

    def running(f: int, j: str, s: str, k: str, t: int) -> int:
        return m.new("running", f, j, s, k, t)

    def pool(f: int, w: str, s: str, k: str, t: int) -> int:
        return m.new("large_pool", branch(f, t), w, s, k, t, whole=True, upper=1.0)

    jobs = case["campaigns"]
    team = {(c, k): math.ceil(jobs[c]["gang_cards"] / kind[k]["cards"]) for c in range(len(jobs)) for k in K}

    def placed(f: int, c: int, s: str, k: str) -> int:
        return m.new("placed", branch(f, jobs[c]["earliest"]), c, s, k, whole=True, upper=1.0)

    def on(f: int, c: int, s: str, k: str, t: int) -> int:
        inside = jobs[c]["earliest"] <= t <= jobs[c]["due"]
        return m.new("on", branch(f, t), c, s, k, t, whole=True, upper=float(inside))

    own = (lambda f: f) if split else (lambda f: 0)

    def share(f: int, c: int, s: str, k: str, t: int) -> int:
        return m.new("share", own(f), c, s, k, t, upper=1.0)

    def unfinished(f: int, c: int) -> int:
        return m.new("unfinished", own(f), c, upper=1.0)

    def billed(f: int, s: str, t: int, month: int) -> int:
        return m.new("billed", branch(f, t), s, t, month)

    def opex(s: str, k: str) -> float:
        return float(kind[k].get("opex_at", {}).get(s, kind[k]["opex"]))

    # by (future, type, arrival): columns of modules that are cheaper, and by which share of the price
    cheaper: dict[Key, list[tuple[int, float]]] = defaultdict(list)
    for n, deal in enumerate(case.get("agreements", [])):
        end = T - 1 if deal["last"] is None else deal["last"]
        span, asked = range(deal["first"], end + 1), deal.get("commitment", 0)
        for f in F:
            off = {q: [(1.0, orders(f, s, k, q + kind[k]["lead_periods"])) for s in S for k in deal["module_types"]
                       if q + kind[k]["lead_periods"] < T] for q in span}  # fmt: skip
            signed = m.new("signed", branch(f, deal["first"]), n, whole=True, upper=1.0)
            if deal.get("signed", False) or not asked:
                m.row([(1.0, signed)], lower=1.0)
            left = max(asked - deal["called_off"], 0)
            lacking = m.new("lacking", branch(f, end), n)
            m.row([(1.0, lacking), (-float(left), signed), *(x for q in span for x in off[q])], lower=0.0)
            cost[f][lacking] += delta[end] * deal.get("shortfall_price", 0.0)
            for p, step in enumerate(deal["breaks"]):
                gain = step["discount"] - (deal["breaks"][p - 1]["discount"] if p else 0.0)
                for q in span:
                    won = m.new("won", branch(f, q), n, p, q, whole=True, upper=1.0)
                    m.row([(1.0, won), (-1.0, signed)], upper=0.0)
                    so_far = [x for u in span if u <= q for x in off[u]]
                    m.row([*so_far, (deal["called_off"] - step["from_modules"], won)], lower=0.0)
                    for k in deal["module_types"]:
                        t = q + kind[k]["lead_periods"]
                        if t < T:
                            less = m.new("less", branch(f, q), n, p, k, q)
                            m.row([(1.0, less), *((-1.0, orders(f, s, k, t)) for s in S)], upper=0.0)
                            m.row([(1.0, less), (-big, won)], upper=0.0)
                            cheaper[f, k, t].append((less, gain))

    for f in F:
        pay = cost[f]
        # what is decided by period
        for t in range(T):
            spent: list[Term] = []
            group: dict[str, list[Term]] = {"all": [], "domestic": [], "b": []}
            target: list[Term] = []
            for k in K:
                x = kind[k]
                capex, order_cost = each(x["capex"], T), float(x["order_cost"])
                m.row([(1.0, orders(f, s, k, t)) for s in S], upper=each(x["supply"], T)[t])
                m.row([(1.0, orders(f, s, k, t)) for s in S if s not in x.get("allowed_sites", S)], upper=0.0)
                late = t + x["lead_periods"]
                for less, gain in cheaper[f, k, t]:
                    pay[less] -= gain * charge(capex[t], x["life_periods"], t)
                    spent.append((-gain * (1 - x["prepay_share"]) * capex[t], less))
                for less, gain in cheaper[f, k, late]:
                    spent.append((-gain * x["prepay_share"] * capex[late], less))
                for s in S:
                    column = orders(f, s, k, t)
                    pay[column] += charge(capex[t], x["life_periods"], t)
                    spent.append(((1 - x["prepay_share"]) * capex[t], column))
                    if x["prepay_share"] and late < T:
                        spent.append((x["prepay_share"] * capex[late], orders(f, s, k, late)))
                    if order_cost > 0 or x["min_order"] > 1:
                        used = m.new("on_order", branch(f, t - x["lead_periods"]), s, k, t, whole=True, upper=1.0)
                        m.row([(1.0, column), (-float(x["min_order"]), used)], lower=0.0)
                        m.row([(1.0, column), (-big, used)], upper=0.0)
                        pay[used] += charge(order_cost, x["life_periods"], t)
                        spent.append((order_cost, used))
                    for u in range(t + 1):
                        pflops = x["cards"] * x["peak_pflops"]
                        group["all"].append((pflops, orders(f, s, k, u)))
                        if x["domestic"]:
                            group["domestic"].append((pflops, orders(f, s, k, u)))
                        if x["vendor"] == "b":
                            group["b"].append((pflops, orders(f, s, k, u)))
                    terms, there = cap(f, s, k, t)
                    target += [(a * x["cards"] * x["peak_pflops"], c) for a, c in terms]
                    target.append((there * x["cards"] * x["peak_pflops"], -1))
                    for u in alive(t, x["life_periods"]):
                        pay[orders(f, s, k, u)] += delta[t] * opex(s, k)
                    for a, col in (*missing(f, s, k, t), *brought(f, s, k, t)):
                        pay[col] += a * delta[t] * opex(s, k)
                    fixed[f] += delta[t] * opex(s, k) * there
            for s in S:
                opened = [(1.0, opening(f, s, u)) for u in alive(t, site[s].get("opening_life_periods", 80))]
                if candidate[s]:
                    m.row(opened, upper=1.0)
                    pay[opening(f, s, t)] += charge(site[s]["opening_cost"], site[s]["opening_life_periods"], t)
                    spent.append((site[s]["opening_cost"], opening(f, s, t)))
                more: list[Term] = []
                for p, phase in enumerate(site[s].get("phases", [])):
                    pay[phases(f, s, p, t)] += charge(phase["capex"], phase["life_periods"], t)
                    spent.append((phase["capex"], phases(f, s, p, t)))
                    more += [(-phase["mw"], phases(f, s, p, u)) for u in alive(t, phase["life_periods"])]
                    if t == 0:
                        m.row([(1.0, phases(f, s, p, u)) for u in range(T)], upper=phase["max_count"])
                    if candidate[s]:
                        m.row([(1.0, phases(f, s, p, t)), *((-phase["max_count"], c) for _, c in opened)], upper=0.0)
                draw, there = [], 0.0
                for k in K:
                    mw = peak[k] * site[s]["pue"] / 1000
                    draw += [(mw, orders(f, s, k, u)) for u in alive(t, kind[k]["life_periods"])]
                    draw += [(mw * a, c) for a, c in (*missing(f, s, k, t), *brought(f, s, k, t))]
                    there += mw * standing(s, k, t)
                    for n, x in enumerate(case["leases"]):
                        if (x["site"], x["module_type"]) == (s, k) and x["uses_site_power"]:
                            draw.append((mw, leased(f, n, t)))
                    if candidate[s]:
                        terms, _ = cap(f, s, k, t)
                        m.row([*terms, *((-big, c) for _, c in opened)], upper=0.0)
                room = each(site[s]["power_mw"], T)[t]
                if candidate[s]:
                    m.row([*draw, *more, *((-room, c) for _, c in opened)], upper=-there)
                else:
                    m.row([*draw, *more], upper=room - there)
            if policy.get("budget") is not None:
                m.row(spent, upper=each(policy["budget"], T)[t])
            if policy.get("domestic_share_floor") is not None:
                floor = each(policy["domestic_share_floor"], T)[t]
                m.row([*group["domestic"], *((-floor * a, c) for a, c in group["all"])], lower=0.0)
            for limit in policy.get("vendor_share_cap", {}).values():
                m.row([*group["b"], *((-limit * a, c) for a, c in group["all"])], upper=0.0)
            if policy.get("capacity_targets_eflops") is not None:
                stands = sum(a for a, c in target if c < 0)
                need = 1000 * each(policy["capacity_targets_eflops"], T)[t] - stands
                m.row([(a, c) for a, c in target if c >= 0], lower=need)
        for number, row in enumerate(case["fleet"]):
            x = kind[row["module_type"]]
            every = [(to, t) for to in ("", *S) for t in range(T)]
            m.row([(1.0, leaves(f, number, to, t)) for to, t in every], upper=row["modules"])
            for to, t in every:
                paid = x.get("moving_cost", 0.0) if to else -each(x.get("resale_price", 0.0), T)[t]
                left = until(row) - t if "retire" in row else x["life_periods"]
                pay[leaves(f, number, to, t)] += charge(paid, max(left, 1), t)
        for n, x in enumerate(case["leases"]):
            rent, term = each(x["price_per_module_period"], T), x["minimum_term_periods"]
            for t in range(T):
                before = [(-1.0, leased(f, n, t - 1))] if t else []
                m.row([(1.0, leased(f, n, t)), *before, (-1.0, started(f, n, t))], upper=0.0)
                m.row([(1.0, leased(f, n, t)), *((-1.0, started(f, n, u)) for u in alive(t, term))], lower=0.0)
                pay[leased(f, n, t)] += delta[t] * rent[t]
                if horizon["costing"] == "upfront":
                    late = sum((1 + rho) ** (-u * per) for u in range(T, t + term))
                    pay[started(f, n, t)] += rent[-1] * late
        for c, job in enumerate(jobs):
            every = [(s, k) for s in S for k in K]
            m.row([(1.0, placed(f, c, s, k)) for s, k in every], upper=1.0)
            done = [(job["card_days"], unfinished(f, c))]
            for s, k in every:
                for t in range(T):
                    m.row([(1.0, on(f, c, s, k, t)), (-1.0, placed(f, c, s, k))], upper=0.0)
                    m.row([(1.0, share(f, c, s, k, t)), (-1.0, on(f, c, s, k, t))], upper=0.0)
                    done.append((sum(weight) * job["gang_cards"] * job["speed"].get(k, 0.0), share(f, c, s, k, t)))
            m.row(done, lower=job["card_days"], upper=job["card_days"])
            pay[unfinished(f, c)] += job["value"] * delta[job["due"]]
        # hours
        for t in range(T):
            use: list[Term] = []
            green: list[Term] = []
            emitted: list[Term] = []
            capacity: list[Term] = []
            there_use = there_green = there_carbon = 0.0
            for j in gang_jobs:
                spec = work[j]
                keeps = 1 - spec.get("max_yield_share", 0.0)
                short = m.new("late", f, j, t)
                done = [(1.0, short)]
                for s in S:
                    for k in K:
                        m.row([(1.0, running(f, j, s, k, t)), (-1.0, gangs(f, j, s, k, t))], upper=0.0)
                        output = spec["gang_cards"] * spec["throughput"].get(k, 0.0) * keeps * total_hours
                        done.append((output, running(f, j, s, k, t)))
                asked = sum(weight[d] * hours[h] * ask[f, j, r, t, d, h] for r in regions for d in D for h in H)
                m.row(done, lower=asked, upper=asked)
                pay[short] += delta[t] * spec["shortfall_cost"]
                unserved += [(pi[f] / wanted_of[j], short)] if wanted_of[j] > 0 else []
            for s in S:
                pue, chi, green_share = site[s]["pue"], site[s]["carbon_kg_per_kwh"], site[s]["green_share"]
                floor = each(policy.get("green_share_floor") or 0.0, T)[t]
                kwh_price = {True: price[s] + carbon_price[t] / 1000 * chi}
                for k in K:
                    there = standing(s, k, t)
                    terms, _ = cap(f, s, k, t)
                    m.row(
                        [
                            *((size[j, k], gangs(f, j, s, k, t)) for j in gang_jobs),
                            *((team[c, k], on(f, c, s, k, t)) for c in range(len(jobs))),
                            *(
                                (x["spare_cards"] / kind[k]["cards"], pool(f, w, s, k, t))
                                for (w, q), x in large.items()
                                if q == k
                            ),
                            *((-kind[k]["availability"] * a, col) for a, col in terms),
                        ],
                        upper=kind[k]["availability"] * there,
                    )
                    # idle power: what was ordered or leased earns nothing with it at a negative price
                    held = total_hours * pue * idle[k]
                    paid = kwh_price[True] - min(price[s], 0.0)
                    stood = {col for _, col in missing(f, s, k, t)}
                    for a, col in terms:
                        pay[col] += delta[t] * held * (kwh_price[True] if a < 0 and col in stood else paid) * a
                        emitted.append((held * chi / 1000 * a, col))
                        green.append((held * (green_share - floor) * a, col))
                    capacity += terms
                    fixed[f] += delta[t] * held * kwh_price[True] * there
                    there_use += there
                    there_green += held * (green_share - floor) * there
                    there_carbon += held * chi / 1000 * there

                    def busy(column: int, kwh: float, s: str = s, k: str = k, there: float = there) -> None:
                        """A column of modules at work for so many hours x PUE, beside their idle power."""
                        earned = idle[k] * min(price[s], 0.0) if there == 0 else 0.0
                        dynamic = peak[k] - idle[k]
                        pay[column] += (
                            delta[t]
                            * kwh
                            * (dynamic * (price[s] + carbon_price[t] / 1000 * site[s]["carbon_kg_per_kwh"]) + earned)
                        )
                        emitted.append((kwh * dynamic * site[s]["carbon_kg_per_kwh"] / 1000, column))
                        green.append((kwh * dynamic * (site[s]["green_share"] - floor), column))
                        use.append((kwh / site[s]["pue"], column))

                    for j in gang_jobs:
                        if not work[j].get("preemptible"):
                            modules = m.new("held_busy", f, j, s, k, t)
                            m.row([(1.0, modules), (-size[j, k], running(f, j, s, k, t))], lower=0.0, upper=0.0)
                            busy(modules, total_hours * pue)
                    for c in range(len(jobs)):
                        modules = m.new("team_busy", own(f), c, s, k, t, f)
                        m.row([(1.0, modules), (-team[c, k], share(f, c, s, k, t))], lower=0.0, upper=0.0)
                        busy(modules, total_hours * pue)
                    for d in D:
                        for j in gang_jobs:
                            if work[j].get("preemptible"):
                                keeps = 1 - work[j].get("max_yield_share", 0.0)
                                active = [m.new("active", f, j, s, k, t, d, h) for h in H]
                                day = running(f, j, s, k, t)
                                for h in H:
                                    m.row([(1.0, active[h]), (-size[j, k], day)], upper=0.0)
                                    busy(active[h], weight[d] * hours[h] * pue)
                                due = keeps * sum(hours) * size[j, k]
                                m.row([*zip(hours, active, strict=True), (-due, day)], lower=0.0, upper=0.0)
                        for h in H:
                            for w in allowed_late:
                                load = m.new("load", f, w, s, k, t, d, h, upper=math.inf if theta[w, k] > 0 else 0.0)
                                busy(load, weight[d] * hours[h] * pue)
                            m.row(
                                [
                                    *((1.0, m.new("load", f, w, s, k, t, d, h)) for w in allowed_late),
                                    *((1.0, m.new("active", f, j, s, k, t, d, h)) for j in gang_jobs
                                      if work[j].get("preemptible")),
                                    *((size[j, k], gangs(f, j, s, k, t)) for j in gang_jobs
                                      if not work[j].get("preemptible")),
                                    *((team[c, k], on(f, c, s, k, t)) for c in range(len(jobs))),
                                    *((-kind[k]["availability"] * a, col) for a, col in terms),
                                ],
                                upper=kind[k]["availability"] * there,
                            )  # fmt: skip
                # demand charge by month: days that name none belong to all months of the period
                fee = site[s].get("demand_charge_per_kw_month", 0.0)
                if fee:
                    named = sorted({d["month"] for d in days if "month" in d})
                    months = named or [1, 2, 3]
                    for month in months:
                        pay[billed(f, s, t, month)] += delta[t] * fee * horizon["months_per_period"] / len(months)
                    for d in D:
                        for month in [days[d]["month"]] if "month" in days[d] else months:
                            for h in H:
                                kw: list[Term] = [(-1.0, billed(f, s, t, month))]
                                fixed_kw = 0.0
                                for k in K:
                                    dynamic = peak[k] - idle[k]
                                    terms, there = cap(f, s, k, t)
                                    kw += [(pue * idle[k] * a, col) for a, col in terms]
                                    fixed_kw += pue * idle[k] * there
                                    kw += [(pue * dynamic, m.new("load", f, w, s, k, t, d, h)) for w in allowed_late]
                                    for j in gang_jobs:
                                        if work[j].get("preemptible"):
                                            kw.append((pue * dynamic, m.new("active", f, j, s, k, t, d, h)))
                                        else:
                                            kw.append((pue * dynamic * size[j, k], gangs(f, j, s, k, t)))
                                    for c in range(len(jobs)):
                                        kw.append((pue * dynamic * team[c, k], on(f, c, s, k, t)))
                                m.row(kw, upper=-fixed_kw)
            for d in D:
                for w in allowed_late:
                    spec, late_kind = work[w], work[w].get("kind") == "deferrable"
                    burst = 1.0 if late_kind else spec["burst_factor"]
                    for h in H:
                        for s in S:
                            flow = [m.new("flow", f, w, r, s, t, d, h) for r in regions]
                            m.row(
                                [
                                    *((burst, x) for x in flow),
                                    *((-theta[w, k], m.new("load", f, w, s, k, t, d, h)) for k in K if (w, k) not in large),
                                    *((-1.0, m.new("carried", f, w, s, k, t, d, h, lower=-math.inf)) for k in K if (w, k) in large),
                                ],
                                lower=0.0, upper=0.0,
                            )  # fmt: skip
                            for k in (k for k in K if (w, k) in large):
                                # theta n eta p as a small pool, theta n a (p - o) as a large one
                                load, carried = (
                                    m.new("load", f, w, s, k, t, d, h),
                                    m.new("carried", f, w, s, k, t, d, h, lower=-math.inf),
                                )
                                chosen, hot, spare = (
                                    pool(f, w, s, k, t),
                                    large[w, k]["utilisation"],
                                    large[w, k]["spare_cards"] / kind[k]["cards"],
                                )
                                best = spec["throughput"][k] * kind[k]["cards"] * hot
                                most = 20.0 * kind[k]["cards"]
                                m.row([(1.0, carried), (-theta[w, k], load), (-most, chosen)], upper=0.0)
                                m.row([(1.0, carried), (-theta[w, k], load), (most, chosen)], lower=0.0)
                                m.row([(1.0, carried), (-best, load), (most, chosen)], upper=most - best * spare)
                                m.row([(1.0, carried), (-best, load), (-most, chosen)], lower=-most - best * spare)
                            for r, x in zip(regions, flow, strict=True):
                                gb = case["network"]["transfer_cost_per_gb"][r][s]
                                traffic = spec.get("traffic_gb_per_unit_hour", 0.0)
                                pay[x] += delta[t] * weight[d] * hours[h] * gb * traffic
                        for r in regions:
                            short = m.new("short", f, w, r, t, d, h)
                            pay[short] += delta[t] * weight[d] * hours[h] * spec["shortfall_cost"]
                            unserved += (
                                [(pi[f] * weight[d] * hours[h] / wanted_of[w], short)] if wanted_of[w] > 0 else []
                            )
                            gone = [(1.0, m.new("flow", f, w, r, s, t, d, h)) for s in S]
                            wanted = ask[f, w, r, t, d, h]
                            if not late_kind:
                                m.row([*gone, (1.0, short)], lower=wanted, upper=wanted)
                                continue
                            waits = m.new("backlog", f, w, r, t, d, h)
                            before = m.new("backlog", f, w, r, t, d, (h - 1) % len(hours))
                            volume = hours[h] * wanted
                            m.row(
                                [(1.0, waits), (-1.0, before), (hours[h], short), *((hours[h] * a, c) for a, c in gone)],
                                lower=volume, upper=volume,
                            )  # fmt: skip
                        if late_kind and spec.get("max_rate_factor"):
                            mean = sum(ask[f, w, r, t, d, g] * hours[g] for r in regions for g in H) / sum(hours)
                            flows = [(1.0, m.new("flow", f, w, r, s, t, d, h)) for r in regions for s in S]
                            m.row(flows, upper=spec["max_rate_factor"] * mean)
            if policy.get("carbon_cap_tonnes") is not None:
                m.row(emitted, upper=each(policy["carbon_cap_tonnes"], T)[t] - there_carbon)
            if policy.get("green_share_floor") is not None:
                m.row(green, lower=-there_green)
            if policy.get("utilisation_floor") is not None:
                need = each(policy["utilisation_floor"], T)[t] * total_hours
                m.row([*use, *((-need * a, c) for a, c in capacity)], lower=need * there_use)
    return m, cost, fixed, pi, unserved


def _with_risk(
    m: Model,
    case: dict[str, Any],
    cost: dict[int, dict[int, float]],
    fixed: dict[int, float],
    pi: list[float],
    gap: float,
) -> tuple[str, float, float]:
    objective: dict[int, float] = defaultdict(float)
    rule = case.get("risk", {}).get("objective", {"kind": "expected"})
    averse = rule["kind"] == "cvar" and len(pi) > 1
    plain = 1 - rule["weight"] if averse else 1.0
    constant = 0.0
    for f, prices in cost.items():
        constant += plain * pi[f] * fixed[f]
        for column, amount in prices.items():
            objective[column] += plain * pi[f] * amount
    if averse:
        zeta = m.new("zeta", lower=-math.inf)
        objective[zeta] += rule["weight"]
        for f, prices in cost.items():
            excess = m.new("excess", f)
            objective[excess] += rule["weight"] * pi[f] / (1 - rule["alpha"])
            m.row([(1.0, excess), (1.0, zeta), *((-a, c) for c, a in prices.items())], lower=fixed[f])
    return m.solve(objective, gap, constant)
