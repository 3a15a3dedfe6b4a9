"""Every number of a plan's sentences, looked up again: in a cell of its tables, or a sum of cells made here.

One method a kind of sentence; each takes the text's own groups and must look at all of them. Nothing of
`planner.report` or `planner.explain` is used to say what is right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from planner.case import CVaR
from planner.plan import Plan
from planner.words.wording import wording
from tests.planner.audit.reading import (
    Taken,
    UntracedError,
    number,
    same,
    same_compute,
    same_money,
    same_percent,
    same_text,
    sentences,
)

HEADLINE = ("answer.nothing", "answer.nothing.none", "answer.nothing.leased", "answer.nothing.late", "answer.now",
            "answer.later", "answer.left", "answer.left.unfinished", "answer.hourly.short", "why.limits",
            "why.limits_relaxed", "why.together", "why.timing",
            "why.not_told", "why.price", "why.price_rest", "why.unknown", "why.unknown_rest",
            "why.unknown_all")  # fmt: skip
LINES = ("answer.agreement.by_future", "answer.agreement", "answer.commitment.by_future", "answer.commitment",
         "answer.unsigned", "answer.hourly.more", "answer.hourly.less",
         "answer.retired.by_future", "answer.retired", "answer.moved.by_future", "answer.moved", "answer.unfinished",
         "answer.leases.by_future", "answer.leases", "answer.to_sign.by_future", "answer.to_sign",
         "answer.due", "answer.discounted", "answer.next.by_future", "answer.next.certain", "answer.next")  # fmt: skip
REASONS = ("reason.growth", "reason.without_orders_leaving", "reason.without_orders", "reason.no_orders",
           "reason.users", "reason.sites", "reason.owed", "reason.owed_counted", "reason.ahead",
           "reason.behind")  # fmt: skip
PROOF = ("report.proof", "report.proof.risk", "report.proof.none", "report.checks_good", "cli.gap_open")
DRIVERS = ("driver.order", "driver.held", "driver.unused")
LEAVING = ("leave.retired", "leave.moved", "leave.received", "leave.removal", "leave.moving", "leave.upkeep")
ALMOST = 1e-4
"""What the planner takes for nothing of the unserved work (a part of it)."""


class Ledger:
    """A plan and a language. `trace` raises UntracedError for a text that is no known sentence or says what is not so.

    least, serving: what a re-solve of the test gives for the least that can stay unserved (in shares, added up) and
    for the cost of leaving no more than so much; None where only the plan's own answer is at hand.
    """

    def __init__(
        self,
        plan: Plan,
        language: str,
        *,
        least: Callable[[], float] | None = None,
        serving: Callable[[float], float] | None = None,
    ) -> None:
        self.plan, self.case, self.language = plan, plan.case, language
        self.tables, self.currency = plan.tables, plan.case.meta.currency
        self.days, self.probability = plan.demand.days, plan.demand.probability
        self.words = wording(language)
        self.chinese = language.startswith("zh")
        self._least, self._serving = least, serving

    # ---- what is looked up
    def trace(self, text: str, keys: tuple[str, ...]) -> list[str]:
        """Trace a text of one or more sentences; the kinds that were met."""
        met = []
        for key, groups in sentences(self.language, text, keys):
            getattr(self, "_" + key.replace(".", "_"))(Taken(groups))
            met.append(key)
        return met

    def weight(self, table: pd.DataFrame) -> np.ndarray:
        column = "future" if "future" in table else "branch"
        index = table[column].to_numpy(int)
        return np.where(index < 0, 1.0, self.probability[np.maximum(index, 0)])

    def mean(self, table: pd.DataFrame, column: str) -> float:
        return float((table[column].to_numpy(float) * self.weight(table)).sum())

    def label(self, period: int) -> str:
        return self.case.horizon.period_label(period)

    def date(self, period: int) -> str:
        return str(self.case.horizon.period_start(period))

    def period(self, text: str) -> int:
        labels = [self.label(t) for t in range(self.case.horizon.periods)]
        if text not in labels:
            raise UntracedError(f"no period: {text}")
        return labels.index(text)

    def name(self, things: Iterable[Any], id: str) -> str:
        return next(self.words.name(x.names) for x in things if x.id == id)

    def id_of(self, things: Iterable[Any], name: str) -> str:
        for one in things:
            if self.words.name(one.names) == name:
                return str(one.id)
        raise UntracedError(f"no such thing: {name}")

    def parts(self, text: str) -> list[str]:
        return text.split("、" if self.chinese else ", ")

    def money(self, text: str, value: float, **how: Any) -> None:
        same_money(text, value, self.currency, **how)

    @cached_property
    def unserved(self) -> pd.DataFrame:
        """By workload: asked and unserved unit-hours, mean over futures, from demand, shortfall and training."""
        demand = self.plan.demand
        hours = self.days.weight[:, :, None] * self.days.step_hours
        rows = []
        for w, work in enumerate(self.case.workloads):
            asked = float(np.einsum("f,frtdh,tdh->", demand.probability, demand.values[:, w], hours))
            by_period = np.zeros(self.case.horizon.periods)
            short = self.tables["shortfall"]
            short = short[short["workload"] == work.id]
            at = [short[c].to_numpy(int) for c in ("period", "day", "step")]
            lost = short["shortfall"].to_numpy(float) * hours[at[0], at[1], at[2]]
            np.add.at(by_period, at[0], lost * self.weight(short))
            late = self.tables["training"]
            late = late[late["workload"] == work.id]
            np.add.at(
                by_period,
                late["period"].to_numpy(int),
                late["shortfall_unit_hours"].to_numpy(float) * self.weight(late),
            )
            by_period[by_period < 1e-6 * max(asked, 1.0) * 1e-3] = 0.0
            rows.append((work.id, asked, float(by_period.sum()), by_period))
        table = pd.DataFrame(rows, columns=["workload", "asked", "missing", "by_period"]).set_index("workload")
        table["share"] = table["missing"] / table["asked"].where(table["asked"] > 0, np.nan)
        return table[table["missing"] > 1e-6 * table["asked"]]

    @property
    def short_in_all(self) -> float:
        """Shares of what is asked, added up over workloads."""
        return float(self.unserved["share"].sum())

    @cached_property
    def first(self) -> pd.DataFrame:
        """What is bought in the first period that buys something in every future."""
        bought = self.tables["purchases"]
        bought = bought[bought["branch"] < 0]
        return bought[bought["order_period"] == bought["order_period"].min()]

    @cached_property
    def busy(self) -> pd.DataFrame:
        """Modules at work by period, day, step, site, type and work, future by future; campaigns for their share."""
        out = self.tables["load"][["future", "period", "day", "step", "site", "module_type", "workload", "busy"]]
        rows = []
        for row in self.tables["campaigns"].to_dict("records"):
            for f in range(len(self.probability)):
                if row["branch"] not in (-1, f) or row["share"] <= 0:
                    continue
                for day in np.flatnonzero(self.days.weight[row["period"]] > 0):
                    rows += [
                        (f, row["period"], int(day), h, row["site"], row["module_type"], row["campaign"],
                         row["modules"] * row["share"])
                        for h in range(self.days.steps)
                    ]  # fmt: skip
        return pd.concat([out, pd.DataFrame(rows, columns=out.columns)]) if rows else out

    # ---- the headline
    def _answer_nothing(self, said: Taken) -> None:
        done = not len(self.tables["purchases"]) and not len(self.unserved) and not len(self.tables["unfinished"])
        leased = (self.tables["leases"]["started"] > 0).any() if len(self.tables["leases"]) else False
        if not done or leased:
            raise UntracedError("something is ordered, leased, or stays undone")

    def _answer_nothing_none(self, said: Taken) -> None:
        if len(self.tables["purchases"]):
            raise UntracedError("something is ordered")

    def _answer_nothing_leased(self, said: Taken) -> None:
        if len(self.tables["purchases"]) or not (self.tables["leases"]["started"] > 0).any():
            raise UntracedError("something is bought, or nothing leased")

    def _answer_nothing_late(self, said: Taken) -> None:
        if (self.tables["purchases"]["branch"] < 0).any() or not len(self.tables["purchases"]):
            raise UntracedError("something is ordered in every future")

    def _answer_now(self, said: Taken, *, now: bool = True) -> None:
        with said:
            if (int(self.first["order_period"].iloc[0]) == 0) is not now:
                raise UntracedError("another period")
            same_text(said["date"], self.date(int(self.first["order_period"].iloc[0])))
            self.money(said["total"], self.first["price"].sum())
            both = self.words("and")
            keys = ("answer.opening", "answer.modules", "answer.power")
            for key, groups in sentences(self.language, said["orders"], keys, rest=both):
                getattr(self, "_" + key.replace(".", "_"))(Taken(groups))

    def _answer_later(self, said: Taken) -> None:
        self._answer_now(said, now=False)

    def _places(self, text: str, kind: str) -> None:
        ids = list(dict.fromkeys(self.first.loc[self.first["kind"] == kind, "site"]))
        many = re.fullmatch(r"(\d+) (sites|个站点)", text)
        if many and len(ids) > 3:
            same(many[1], len(ids))
        elif sorted(self.parts(text)) != sorted(self.name(self.case.sites, s) for s in ids):
            raise UntracedError(f"other sites: {text}")

    def _answer_opening(self, said: Taken) -> None:
        with said:
            self._places(said["sites"], "opening")

    def _answer_modules(self, said: Taken) -> None:
        own = self.first[self.first["kind"] == "module"]
        with said:
            same_text(said["modules"], f"{int(own['count'].sum()):,}")
            same_text(said["cards"], f"{int(own['cards'].sum()):,}")
            same_compute(said["compute"], own["pflops"].sum())
            self._places(said["sites"], "module")

    def _answer_power(self, said: Taken) -> None:
        with said:
            same(said["mw"], self.first["mw"].sum())

    def _answer_left(self, said: Taken) -> None:
        with said:
            parts = self.parts(said["parts"])
        named = 0
        for part in parts:
            (key, groups), = sentences(self.language, part, ("answer.left.part", "answer.left.more"))  # fmt: skip
            with Taken(groups) as one:
                if key == "answer.left.more":
                    same(one["count"], len(self.unserved) - named)
                else:
                    share = self.unserved["share"][self.id_of(self.case.workloads, one["workload"])]
                    same_percent(one["share"], share)
                    named += 1
        if named != min(len(self.unserved), 3):
            raise UntracedError("other workloads are short, too")

    def _answer_left_unfinished(self, said: Taken) -> None:
        table, told = self.tables["unfinished"], set()
        with said:
            parts = self.parts(said["parts"])
        for part in parts:
            (_, groups), = sentences(self.language, part, ("answer.left.part",))  # fmt: skip
            with Taken(groups) as one:
                id = self.id_of(self.case.campaigns, one["workload"])
                same_percent(one["share"], self.mean(table[table["campaign"] == id], "share"))
                told.add(id)
        if told != set(table["campaign"]):
            raise UntracedError("other campaigns are not finished, too")

    # ---- why
    def _bound(self) -> float:
        """The least that stays unserved, by the test's own solve where there is one."""
        return float(self.plan.summary["unserved_why"]["least"]) if self._least is None else self._least()

    def _part(self, text: str) -> float:
        """What is said to be the least, in shares."""
        (key, groups), = sentences(self.language, text, ("why.all", "why.part"))  # fmt: skip
        with Taken(groups) as said:
            if key == "why.all":
                part = (1 - ALMOST) * self.short_in_all
            else:
                told = self.plan.summary["unserved_why"]["least"] / self.short_in_all
                same_percent(said["share"], told, rounded="down")
                part = told * self.short_in_all
        if part > self._bound() + 1e-5:
            raise UntracedError(f"less can stay unserved: {self._bound()} of {self.short_in_all}")
        return part

    def _limits(self, text: str) -> None:
        """The limits named; the budget has its number."""
        for part in re.split("、|, (?![^(]*\\))", text):
            budget = re.search(r"[(（](?:规划期合计 )?([^()（）]*?)(?: over the horizon)?[)）]", part)
            if budget:
                own = self.tables["cash"].groupby("period")["budget"].first()
                self.money(budget[1], float(own.sum()))
            elif re.search(r"\d", part):
                raise UntracedError(f"a number nobody knows: {part}")

    def _why_limits(self, said: Taken) -> None:
        with said:
            self._part(said["part"])
            self._limits(said["limits"])

    _why_limits_relaxed = _why_timing = _why_limits

    def _why_together(self, said: Taken) -> None:
        with said:
            self._part(said["part"])

    _why_not_told = _why_together

    def _why_price(self, said: Taken) -> None:
        told = self.plan.summary["unserved_why"]
        with said:
            more = said["more"]
        self.money(more, told["more_cost"], rounded="down")
        if self._serving is not None:
            least = self._serving(told["least"] + 1e-6) - self.plan.certificate["objective"]
            if told["more_cost"] > least + 1e-5 * abs(self.plan.certificate["objective"]) + 1e-6:
                raise UntracedError(f"it can be served for {least:.9g}, not {told['more_cost']:.9g} more")

    _why_price_rest = _why_price

    def _why_unknown(self, said: Taken) -> None:
        certificate, costs = self.plan.certificate, self.tables["costs"]
        with said:
            self.money(said["counted"], self.mean(costs[costs["term"] == "shortfall"], "discounted"))
            self.money(said["open"], certificate["objective"] - certificate["bound"], rounded="up")

    _why_unknown_rest = _why_unknown

    def _why_unknown_all(self, said: Taken) -> None:
        if np.isfinite(self.plan.certificate["bound"]):
            raise UntracedError("something is proven")

    # ---- the lines below the headline
    def _early(self, text: str, by_period: np.ndarray, unit: str) -> None:
        first = self.earliest
        early = float(by_period[:first].sum())
        if not text:
            if early > 0:
                raise UntracedError("what no order could avoid is not said")
            return
        (key, groups), = sentences(self.language, text, ("answer.short.early", "answer.short.never"))  # fmt: skip
        with Taken(groups) as said:
            same(said["amount"], early)
            same_text(said["unit"], unit)
            same_text(said["date"], self.date(first))
            if (first < self.case.horizon.periods) is not (key == "answer.short.early"):
                raise UntracedError("something arrives in time, or nothing does")

    @cached_property
    def earliest(self) -> int:
        """The first period in which anything that is ordered or leased may stand."""
        starts = [x.notice_periods for x in self.case.leases]
        for kind in self.case.module_types:
            starts += list(np.flatnonzero(self._supplied(kind)[kind.lead_periods :])[:1] + kind.lead_periods)
        return int(min([self.case.horizon.periods, *starts]))

    def _supplied(self, kind: Any) -> np.ndarray:
        supply = kind.supply if isinstance(kind.supply, list) else [kind.supply] * self.case.horizon.periods
        return np.array([s is None or s >= 1 for s in supply])

    def short_line(self, text: str) -> list[str]:
        """A line about what a workload lacks, with what no order could avoid behind it."""
        met = None
        for tail in ("answer.short.early", "answer.short.never", ""):
            keys = ("answer.short", tail) if tail else ("answer.short",)
            try:
                found = list(sentences(self.language, text, keys, rest=""))
            except UntracedError:
                continue
            if len(found) in (1, 2) and found[0][0] == "answer.short":
                met = found[0][1]
                break
        if met is None:
            raise UntracedError(f"no known sentence: {text}")
        head = self.words("answer.short", **met)
        with Taken(met) as said:
            id = self.id_of(self.case.workloads, said["workload"])
            row = self.unserved.loc[id]
            unit = next(w.unit for w in self.case.workloads if w.id == id)
            same(said["amount"], row["missing"])
            same_text(said["unit"], unit)
            same_percent(said["share"], row["share"])
            worst = self.period(said["period"])
            same(said["most"], row["by_period"].max())
            if row["by_period"][worst] < row["by_period"].max() * (1 - 1e-9):
                raise UntracedError("another period is worse")
        self._early(text[len(head) :], row["by_period"], unit)
        return ["answer.short"]

    def _answer_unfinished(self, said: Taken) -> None:
        table = self.tables["unfinished"]
        with said:
            id = self.id_of(self.case.campaigns, said["campaign"])
            same_percent(said["share"], self.mean(table[table["campaign"] == id], "share"))

    def _answer_leases(self, said: Taken) -> None:
        table = self.tables["leases"]
        branches = sorted(set(table["branch"]) - {-1}) or [-1]
        with said:
            same(said["started"], self.mean(table, "started"))
            of_each = [table[table["branch"].isin((-1, b))].groupby("period")["active"].sum().max() for b in branches]
            same(said["most"], max(of_each))
            self.money(said["cost"], self.mean(table, "cost"))
            if branches != [-1] and not self._expected_is_said:
                raise UntracedError("means over futures are not called so")

    _expected_is_said = False

    def _answer_leases_by_future(self, said: Taken) -> None:
        self._expected_is_said = True
        self._answer_leases(said)
        self._expected_is_said = False

    def _bought(self, branch: int) -> float:
        table = self.tables["purchases"]
        return float(table.loc[table["branch"].isin((-1, branch)), "price"].sum())

    def _answer_to_sign(self, said: Taken) -> None:
        with said:
            if (self.tables["purchases"]["branch"] >= 0).any():
                raise UntracedError("it differs by future")
            self.money(said["total"], self._bought(-1))

    def _next(self) -> tuple[str, float, dict[int, float]]:
        """The next date after the first orders of all futures, what all of them sign then, and what each one of those
        signs that sign something of their own."""
        rows = self.tables["purchases"]
        everywhere = rows.loc[rows["branch"] < 0, "order_period"]
        later = rows if everywhere.empty else rows[rows["order_period"] > everywhere.min()]
        if later.empty:
            raise UntracedError("nothing is signed later")
        at = int(later["order_period"].min())
        due = later[later["order_period"] == at]
        shared = float(due.loc[due["branch"] < 0, "price"].sum())
        own = {int(b): shared + float(due.loc[due["branch"] == b, "price"].sum()) for b in set(due["branch"]) if b >= 0}
        return self.case.horizon.period_start(at).isoformat(), shared, own

    def _answer_next(self, said: Taken) -> None:
        day, shared, own = self._next()
        with said:
            if own:
                raise UntracedError("it differs by future")
            same_text(said["date"], day)
            self.money(said["total"], shared)

    def _answer_next_certain(self, said: Taken) -> None:
        day, _, own = self._next()
        with said:
            if len(own) < len(self.probability):
                raise UntracedError("not every future signs something then")
            same_text(said["date"], day)
            self.money(said["least"], min(own.values()))
            self.money(said["most"], max(own.values()))

    def _answer_next_by_future(self, said: Taken) -> None:
        day, _, own = self._next()
        with said:
            same_text(said["date"], day)
            same_percent(said["share"], float(sum(self.probability[b] for b in own)), rounded="down")
            self.money(said["least"], min(own.values()))
            self.money(said["most"], max(own.values()))

    def _answer_to_sign_by_future(self, said: Taken) -> None:
        of_each = [self._bought(f) for f in range(len(self.probability))]
        with said:
            self.money(said["total"], float(np.array(of_each) @ self.probability))
            self.money(said["least"], min(of_each))
            self.money(said["most"], max(of_each))

    def _answer_due(self, said: Taken) -> None:
        with said:
            self.money(said["due"], self.mean(self.tables["cash"], "due"))

    @cached_property
    def _hourly(self) -> dict[str, Any]:
        """The round of the check of every hour whose plan was kept: the one that the typical days came nearest to."""
        rounds = self.plan.summary["every_hour"]["rounds"]
        return dict(min(rounds, key=lambda one: abs(one["replayed_cost"] / one["estimated_cost"] - 1)))

    def _where_hourly(self, text: str) -> None:
        same_text(text, self.words("answer.hourly.likeliest") if len(self.probability) > 1 else "")

    def _answer_hourly_short(self, said: Taken) -> None:
        with said:
            self._where_hourly(said["where"])
            same(said["replayed"], self._hourly["replayed_shortfall_pflops_hours"], rounded="up")
            same(said["estimated"], self._hourly["estimated_shortfall_pflops_hours"])

    def _answer_hourly_more(self, said: Taken, sign: int = 1) -> None:
        off = sign * (self._hourly["replayed_cost"] / self._hourly["estimated_cost"] - 1)
        with said:
            self._where_hourly(said["where"])
            same_text(said["hours"], f"{self._hourly['hours']:,}")
            same_percent(said["off"], off, rounded="up")
            if off < 0:
                raise UntracedError("dearer or cheaper")

    def _answer_hourly_less(self, said: Taken) -> None:
        self._answer_hourly_more(said, -1)

    def _answer_discounted(self, said: Taken) -> None:
        with said:
            self.money(said["cost"], self.mean(self.tables["costs"], "discounted"))
            same_text(said["costing"], self.words(f"costing.{self.case.horizon.costing.value}"))

    # ---- reasons
    @cached_property
    def capacity(self) -> pd.DataFrame:
        """Columns of the capacity table by period, mean over branches; the ratio the least of any."""
        table = self.tables["capacity"]
        weight = self.weight(table)
        columns = ["usable_pflops", "p50_peak_pflops"]
        out = table[columns].mul(weight, axis=0).groupby(table["period"]).sum()
        total = pd.Series(weight).groupby(table["period"].to_numpy()).sum()
        return out.div(total, axis=0).assign(ratio=table.groupby("period")["build_ahead_ratio"].min())

    def _reason_growth(self, said: Taken) -> None:
        peak, last = self.capacity["p50_peak_pflops"], self.case.horizon.periods - 1
        with said:
            same_text(said["first"], self.label(0))
            same_text(said["last"], self.label(last))
            same_compute(said["start"], peak[0])
            same_compute(said["end"], peak[last])
            same_percent(said["change"], peak[last] / peak[0] - 1)

    def _reason_without_orders(self, said: Taken) -> None:
        last, types = self.case.horizon.periods - 1, {k.id: k for k in self.case.module_types}
        orders = self.tables["orders"]
        lives = orders["module_type"].map({k: t.life_periods for k, t in types.items()})
        stands = orders[orders["arrival_period"] + lives > last]
        available = stands["module_type"].map({k: t.availability for k, t in types.items()})
        ordered = float((stands["pflops"] * available * self.weight(stands)).sum())
        usable, peak = (float(self.capacity[c][last]) for c in ("usable_pflops", "p50_peak_pflops"))
        with said:
            same_text(said["last"], self.label(last))
            same_percent(said["share"], (usable - ordered) / peak + self._missing)
            same_percent(said["with_them"], usable / peak)

    def _reason_without_orders_leaving(self, said: Taken) -> None:
        """The same with what left counted as if it stood: to the end of its row's life, unless it serves elsewhere."""
        last, table = self.case.horizon.periods - 1, self.tables["departures"]
        gone = 0.0
        for row, weight in zip(table.to_dict("records"), self.weight(table), strict=True):
            kind = next(k for k in self.case.module_types if k.id == row["module_type"])
            back = row["in_service_period"] if row["to_site"] else last + 1
            if row["period"] <= last < back and self._lives(row, last):
                gone += weight * row["modules"] * kind.module_pflops * kind.availability
        if table.empty:
            raise UntracedError("nothing leaves")
        self._missing = gone / float(self.capacity["p50_peak_pflops"][last])
        self._reason_without_orders(said)
        self._missing = 0.0

    _missing = 0.0

    def _lives(self, row: dict[str, Any], period: int) -> bool:
        """Whether a row of the fleet would stand at the start of a period."""
        end = self.case.fleet[row["fleet_row"]].retire
        return end is None or end > self.case.horizon.period_start(period)

    def _answer_retired(self, said: Taken, *, retired: bool = True) -> None:
        table = self.tables["departures"]
        table = table[(table["to_site"] == "") == retired]
        late = bool((table["branch"] >= 0).any())
        with said:
            if late is not self._expected_is_said:
                raise UntracedError("means over futures are not called so")
            same(said["modules"], self.mean(table, "modules"))
            same_text(said["date"], str(table["date"].min())[:10])
            self.money(said["cost"], self.mean(table, "price"))

    def _answer_agreement(self, said: Taken, *, late: bool = False, short: bool = False) -> None:
        table = self.tables["agreements"]
        own = table[table["agreement"] == said["name"]]
        with said:
            if own.empty:
                raise UntracedError("no such agreement holds")
            if bool((table["branch"] >= 0).any()) is not late:
                raise UntracedError("means over futures are not called so")
            same(said["modules"], self.mean(own, "missing" if short else "called_off"))
            self.money(said["paid" if short else "saved"], self.mean(own, "paid" if short else "saved"))

    def _answer_agreement_by_future(self, said: Taken) -> None:
        self._answer_agreement(said, late=True)

    def _answer_commitment(self, said: Taken) -> None:
        self._answer_agreement(said, short=True)

    def _answer_commitment_by_future(self, said: Taken) -> None:
        self._answer_agreement(said, late=True, short=True)

    def _answer_unsigned(self, said: Taken) -> None:
        with said:
            if said["name"] in set(self.tables["agreements"]["agreement"]):
                raise UntracedError("it is signed")

    def _answer_moved(self, said: Taken) -> None:
        self._answer_retired(said, retired=False)

    def _answer_retired_by_future(self, said: Taken, *, retired: bool = True) -> None:
        self._expected_is_said = True
        self._answer_retired(said, retired=retired)
        self._expected_is_said = False

    def _answer_moved_by_future(self, said: Taken) -> None:
        self._answer_retired_by_future(said, retired=False)

    def _reason_no_orders(self, said: Taken) -> None:
        if len(self.tables["orders"]):
            raise UntracedError("modules are ordered")

    def _shares(self, text: str, right: pd.Series, things: list[Any]) -> None:
        """Names with shares, the largest first, three at most."""
        right = (right / right.sum()).sort_values(ascending=False)
        parts = self.parts(text)
        if len(parts) != min(len(right), 3):
            raise UntracedError(f"not all that matter: {text}")
        for part, share in zip(parts, right, strict=False):
            name, percent = re.fullmatch(r"(.*) (-?[\d.]+ ?%)", part).groups()  # type: ignore[union-attr]
            own = float(right[self.id_of(things, name)])
            same_percent(percent, own)
            if own < share - 1e-6:
                raise UntracedError("not in order of size")

    def _reason_users(self, said: Taken) -> None:
        last = self.case.horizon.periods - 1
        rows = self.busy[self.busy["period"] == last]
        pflops = rows["module_type"].map({k.id: k.module_pflops for k in self.case.module_types})
        hours = self.days.weight[last, rows["day"].to_numpy(int)] * self.days.step_hours[rows["step"].to_numpy(int)]
        work = (rows["busy"] * pflops * hours * self.weight(rows)).groupby(rows["workload"]).sum()
        with said:
            same_text(said["period"], self.label(last))
            self._shares(said["users"], work, [*self.case.workloads, *self.case.campaigns])

    def _reason_sites(self, said: Taken) -> None:
        orders = self.tables["orders"]
        size = (orders["pflops"] * self.weight(orders)).groupby(orders["site"]).sum()
        with said:
            text = said["sites"]
        detail = re.compile(r" \(mean tariff (?P<price>\S+) \w+/kWh, PUE (?P<pue>[\d.]+)\)|"
                            r"（平均电价 (?P<price_zh>\S+) \w+/kWh，PUE (?P<pue_zh>[\d.]+)）")  # fmt: skip
        plain = detail.sub("", text)
        self._shares(plain, size, self.case.sites)
        told = [re.sub(r" -?[\d.]+ ?%$", "", part) for part in self.parts(plain)]
        found = list(detail.finditer(text))
        with_tariff = [n for n in told if self._site(n).tariff]
        if len(found) != len(with_tariff):
            raise UntracedError("details of other sites")
        for match, name in zip(found, with_tariff, strict=True):
            site = self._site(name)
            tariff = next(t for t in self.case.tariffs if t.id == site.tariff)
            same(match["price"] or match["price_zh"], float(np.nanmean(tariff.prices())))
            same(match["pue"] or match["pue_zh"], float(np.mean(site.pue_by_month())))

    def _site(self, name: str) -> Any:
        return next(s for s in self.case.sites if s.id == self.id_of(self.case.sites, name))

    def _reason_owed(self, said: Taken, *, counted: bool = False) -> None:
        table = self.tables["owed"]
        with said:
            self.money(said["amount"], self.mean(table, "undiscounted"))
            if re.search(r"\d", said["what"]) or bool(table["counted"].all()) is not counted:
                raise UntracedError("owed is counted otherwise")

    def _reason_owed_counted(self, said: Taken) -> None:
        self._reason_owed(said, counted=True)

    def _reason_ahead(self, said: Taken) -> None:
        ratio = self.capacity["ratio"].dropna()
        with said:
            same(said["ratio"], max(float(ratio.min()), 1.0), rounded="down")
            if ratio.min() < 1 - 1e-6 or ratio[self.period(said["period"])] > ratio.min() + 1e-9:
                raise UntracedError("another period is further behind")

    def _reason_behind(self, said: Taken) -> None:
        table = self.tables["capacity"].dropna(subset=["build_ahead_ratio"])
        with said:
            t = self.period(said["period"])
            ratio = float(table["build_ahead_ratio"].min())
            same(said["ratio"], ratio, rounded="down")
            rows = table[(table["period"] == t) & (table["build_ahead_ratio"] <= ratio + 1e-12)]
            if not len(rows) or ratio >= 1:
                raise UntracedError("another period is further behind, or none is behind")
            binds, mark, why = (said["binds"] + said["why"]).rpartition("；" if self.chinese else "; ")
            self._binds(binds, rows.iloc[0])
            self._below(mark + why, t)

    def _binds(self, text: str, row: pd.Series) -> None:
        works = [self.name(self.case.workloads, w) for w in str(row["binding_workloads"]).split(", ") if w]
        sites = [self.name(self.case.sites, s) for s in str(row["binding_sites"]).split(", ") if s]
        say = self.words
        parts = {"workloads": say.joined(works), "day": say.day(str(row["binding_day"]))}
        right = say("reason.binds", **parts) if works else ""
        if works and row["binding_hour"]:
            right = say("reason.binds_at", **parts, hour=row["binding_hour"])
        right += say("reason.full", sites=say.joined(sites)) if 0 < len(sites) <= 4 else ""
        same_text(text, right)

    def _below(self, text: str, period: int) -> None:
        ((key, groups),) = sentences(
            self.language, text, ("reason.below.early", "reason.below.short", "reason.below.less"), rest=""
        )
        missing = self.unserved["by_period"].sum() if len(self.unserved) else np.zeros(self.case.horizon.periods)
        with Taken(groups) as said:
            if key == "reason.below.early":
                same_text(said["date"], self.date(self.earliest))
                if period >= self.earliest:
                    raise UntracedError("something may arrive in time")
            elif bool(missing[period] > 0) is not (key == "reason.below.short"):
                raise UntracedError("work is left, or none is")

    # ---- proof
    @property
    def averse(self) -> bool:
        return isinstance(self.case.risk.objective, CVaR) and len(self.probability) > 1

    def _report_proof(self, said: Taken, *, averse: bool = False) -> None:
        c, own = self.plan.certificate, self.tables["costs"]
        if self.averse is not averse:
            raise UntracedError("another objective")
        mean = self.mean(own, "discounted")
        if not averse and abs(mean - c["objective"]) > 1e-6 * max(abs(mean), 1.0):
            raise UntracedError("the objective is not what the costs come to")
        with said:
            self.money(said["objective"], c["objective"])
            self.money(said["bound"], c["bound"], rounded="down")
            self.money(said["difference"], c["objective"] - c["bound"], rounded="up")
            same_percent(said["gap"], (c["objective"] - c["bound"]) / max(abs(c["objective"]), 1e-9), rounded="up")

    def _report_proof_risk(self, said: Taken) -> None:
        self._report_proof(said, averse=True)

    def _report_proof_none(self, said: Taken) -> None:
        with said:
            self.money(said["objective"], self.plan.certificate["objective"])
        if np.isfinite(self.plan.certificate["bound"]):
            raise UntracedError("something is proven")

    def _report_checks_good(self, said: Taken) -> None:
        with said:
            same(said["count"], len(self.plan.checks), figures=6)
        if not all(check["ok"] for check in self.plan.checks):
            raise UntracedError("a check is broken")

    def _cli_gap_open(self, said: Taken) -> None:
        c = self.plan.certificate
        with said:
            same_percent(said["gap"], (c["objective"] - c["bound"]) / abs(c["objective"]), rounded="up")

    # ---- what every order is for
    def driver(self, text: str, order: dict[str, Any]) -> list[str]:
        """A sentence about one row of the orders."""
        limits = ""
        for key, groups in sentences(self.language, text, DRIVERS, rest=""):
            with Taken(groups) as said:
                limits = said["limits"]
                kind = next(k for k in self.case.module_types if k.id == order["module_type"])
                same_text(said["modules"], str(int(order["modules"])))
                same_text(said["type"], self.words.name(kind.names))
                same_text(said["site"], self.name(self.case.sites, order["site"]))
                same_text(said["arrival"], self.label(int(order["arrival_period"])))
                alive = range(int(order["arrival_period"]), int(order["arrival_period"]) + kind.life_periods)
                rows = self.busy
                rows = rows[(rows["site"] == order["site"]) & (rows["module_type"] == kind.id)]
                rows = rows[rows["period"].isin(alive)]
                rows = rows if order["branch"] < 0 else rows[rows["future"] == order["branch"]]
                if key == "driver.order":
                    self._peak(said, rows, order)
                elif len(rows):
                    raise UntracedError("work runs on it")
                elif key == "driver.held":
                    self._held(said["workloads"], order, alive)
            self._full(limits, order)
            return [key]
        raise UntracedError(text)

    def departure(self, text: str, row: dict[str, Any]) -> list[str]:
        """What is said about one row of the departures."""
        if row["branch"] >= 0:
            ((_, groups),) = sentences(self.language, text, ("leave.future",))
            with Taken(groups) as said:
                same(said["number"], row["branch"] + 1)
                text = said["text"]
        kind = next(k for k in self.case.module_types if k.id == row["module_type"])
        met = []
        for key, groups in sentences(self.language, text, LEAVING, rest="" if self.chinese else " "):
            met.append(key)
            with Taken(groups) as said:
                if key == "leave.upkeep":
                    opex = kind.opex if isinstance(kind.opex, list) else [kind.opex] * self.case.horizon.periods
                    alive = [t for t in range(row["period"], len(opex)) if self._lives(row, t)]
                    self.money(said["amount"], row["modules"] * sum(opex[t] for t in alive))
                elif key in ("leave.received", "leave.removal", "leave.moving"):
                    if (key == "leave.received") is not (row["price"] < 0) or (key == "leave.moving") is not bool(
                        row["to_site"]
                    ):
                        raise UntracedError("received or paid, moved or retired")
                    self.money(said["amount"], abs(row["price"]))
                else:
                    if (key == "leave.moved") is not bool(row["to_site"]):
                        raise UntracedError("moved or retired")
                    same_text(said["modules"], f"{row['modules']:,}")
                    same_text(said["type"], self.words.name(kind.names))
                    same_text(said["site"], self.name(self.case.sites, row["site"]))
                    same_text(said["period"], self.label(row["period"]))
                    same(said["mw"], row["freed_mw"])
                    if key == "leave.moved":
                        same_text(said["to"], self.name(self.case.sites, row["to_site"]))
                        same_text(said["back"], self.label(row["in_service_period"]))
                    self._frees(said["enough"] + said["full"], row, kind)
        return met

    def _frees(self, text: str, row: dict[str, Any], kind: Any) -> None:
        """What arrives in the place of what leaves, and what the site would draw with both."""
        branches = (-1, max(row["branch"], 0))
        orders, stock, phases = (self.tables[n] for n in ("orders", "stock", "phases"))
        for key, groups in sentences(self.language, text, ("leave.enough", "leave.enough_all", "leave.full"), rest=""):
            with Taken(groups) as said:
                if key == "leave.full":
                    site = next(s for s in self.case.sites if s.id == row["site"])
                    same_text(said["site"], self.words.name(site.names))
                    here = stock[(stock["site"] == site.id) & (stock["period"] == row["period"])]
                    drawn = here.loc[here["branch"].isin(branches), "power_mw"].sum() + row["freed_mw"]
                    power = site.power_mw[row["period"]] if isinstance(site.power_mw, list) else site.power_mw
                    for one in phases[(phases["site"] == site.id) & phases["branch"].isin(branches)].to_dict("records"):
                        end = one["arrival_period"] + site.phases[one["phase"]].life_periods
                        power += one["mw"] if one["arrival_period"] <= row["period"] < end else 0.0
                    same_text(said["drawn"], f"{drawn:,.2f}")
                    same_text(said["limit"], f"{power:,.2f}")
                    if drawn <= power:
                        raise UntracedError("there is power enough")
                    continue
                other = self.id_of(self.case.module_types, said["type"])
                at = orders[(orders["site"] == row["site"]) & (orders["module_type"] == other)]
                arrival = self.period(said["period"])
                at = at[at["branch"].isin(branches) & (at["arrival_period"] == arrival)]
                arriving = int(at["modules"].sum())
                same_text(said["arriving"], f"{arriving:,}")
                each = next(k.power_peak_kw for k in self.case.module_types if k.id == other)
                fit = math.floor(row["modules"] * kind.power_peak_kw / each + 1e-9)
                if key == "leave.enough":
                    same_text(said["count"], f"{fit:,}")
                if (fit >= arriving) is not (key == "leave.enough_all") or arrival < row["period"]:
                    raise UntracedError(f"it is enough for {fit} of {arriving}, or they come before")

    def _peak(self, said: Taken, rows: pd.DataFrame, order: dict[str, Any]) -> None:
        (_, groups), = sentences(self.language, said["peak"], ("driver.peak",))  # fmt: skip
        with Taken(groups) as peak:
            t = self.period(peak["period"])
            between = " " if self.chinese else ", "
            label, hour = f"{peak['day']}{between}{peak['hour']}".rsplit(between, 1)
        day = [d for d, own in enumerate(self.days.labels) if self.words.day(own) == label]
        step = [h for h in range(self.days.steps) if self.days.clock(h) == hour]
        key = ["period", "day", "step"]
        shared = order["branch"] < 0
        weight = self.weight(rows) if shared else np.ones(len(rows))
        by = (rows["busy"] * weight).groupby([rows[c] for c in key]).sum()
        stock = self.tables["stock"]
        stock = stock[(stock["site"] == order["site"]) & (stock["module_type"] == order["module_type"])]
        stock = stock if shared else stock[stock["branch"].isin((-1, order["branch"]))]
        modules = (stock["owned"] + stock["leased"]) * (self.weight(stock) if shared else 1.0)
        stands = modules.groupby(stock["period"]).sum()
        share = by / stands.reindex(by.index.get_level_values("period")).to_numpy()
        at = [(t, d, h) for d in day for h in step if (t, d, h) in share.index]
        top = share.index[int((share >= share.max() - 1e-9).to_numpy().argmax())]
        if top not in at:
            raise UntracedError(f"busiest in {top}, not in {at}")
        same_percent(said["busy"], float(share.max()))
        here = rows[(rows[key] == top).all(axis=1)]
        work = (here["busy"] * (self.weight(here) if shared else 1.0)).groupby(here["workload"]).sum()
        work = work / work.sum()
        for part in self.parts(said["workloads"]):
            name, percent = re.fullmatch(r"(.*) ([\d.]+%)", part).groups()  # type: ignore[union-attr]
            same_percent(percent, float(work.pop(self.id_of([*self.case.workloads, *self.case.campaigns], name))))
        if (work >= 0.01).any():
            raise UntracedError("other work runs, too")

    def _held(self, text: str, order: dict[str, Any], alive: range) -> None:
        table = self.tables["campaigns"]
        own = table[(table["site"] == order["site"]) & (table["module_type"] == order["module_type"])]
        own = own[own["period"].isin(alive)]
        right = [self.words("driver.campaign", name=self.name(self.case.campaigns, c)) for c in set(own["campaign"])]
        if sorted(self.parts(text)) != sorted(right):
            raise UntracedError(f"held by others than {text}")

    def _full(self, text: str, order: dict[str, Any]) -> None:
        if not text:
            return
        ((_, groups),) = sentences(self.language, text, ("driver.limits",), rest="")
        with Taken(groups) as said:
            told = said["limits"]
        kinds = ("driver.site_power", "driver.supply", "driver.budget")
        for key, inner in sentences(self.language, told, kinds, rest="、" if self.chinese else ", "):
            with Taken(inner) as one:
                used, limit = number(one["used"]), number(one["limit"])
                right = [self._drawn(order), self._arrived(order)]
                if key == "driver.budget":
                    same_text(one["currency"], self.currency)
                    t = self.period(one["period"])
                    cash = self.tables["cash"]
                    cash = cash[cash["period"] == t]
                    found = {(round(a), round(b)) for a, b in zip(cash["due"], cash["budget"], strict=True)}
                    figures = (round(used), round(limit))
                else:
                    found = right[kinds.index(key)]
                    figures = (used, limit)
            if not any(np.allclose(figures, pair, atol=5.1e-3) for pair in found) or used < 0.98 * limit:
                raise UntracedError(f"{told} is not {found}")

    def _drawn(self, order: dict[str, Any]) -> list[tuple[float, float]]:
        """Power drawn and at hand when the order arrives, by branch."""
        site, t = self._site(self.name(self.case.sites, order["site"])), int(order["arrival_period"])
        power = site.power_mw[t] if isinstance(site.power_mw, list) else site.power_mw
        out = []
        for b in range(len(self.probability)):
            stock, phases = self.tables["stock"], self.tables["phases"]
            at = stock[(stock["site"] == site.id) & (stock["period"] == t) & stock["branch"].isin((-1, b))]
            built = phases[(phases["site"] == site.id) & phases["branch"].isin((-1, b))]
            more = sum(
                r["mw"] for r in built.to_dict("records")
                if r["arrival_period"] <= t < r["arrival_period"] + site.phases[r["phase"]].life_periods
            )  # fmt: skip
            out.append((float(at["power_mw"].sum()), float(power + more)))
        return out

    def _arrived(self, order: dict[str, Any]) -> list[tuple[float, float]]:
        kind, t = order["module_type"], int(order["arrival_period"])
        orders = self.tables["orders"]
        own = orders[(orders["module_type"] == kind) & (orders["arrival_period"] == t)]
        spec = next(k for k in self.case.module_types if k.id == kind)
        supply = spec.supply[t] if isinstance(spec.supply, list) else spec.supply
        return [
            (float(own.loc[own["branch"].isin((-1, b)), "modules"].sum()), float(np.floor(supply or np.inf)))
            for b in range(len(self.probability))
        ]

    # ---- tiles
    def tile(self, label: str, value: str, hint: str) -> None:
        """A figure with its hint."""
        kinds = {self.words(f"tile.{k}"): k for k in ("cost", "gap", "ratio", "busy", "shortfall", "energy", "carbon")}
        getattr(self, f"_tile_{kinds[label]}")(value, hint)

    def _hint(self, key: str, text: str) -> Taken:
        ((_, groups),) = sentences(self.language, text, (key,))
        return Taken(groups)

    def _tile_cost(self, value: str, hint: str) -> None:
        self.money(value, self.mean(self.tables["costs"], "discounted"))
        with self._hint("tile.cost.hint", hint) as said:
            same(said["periods"], self.case.horizon.periods)

    def _tile_gap(self, value: str, hint: str) -> None:
        c = self.plan.certificate
        same_percent(value, (c["objective"] - c["bound"]) / max(abs(c["objective"]), 1e-9), rounded="up")
        with self._hint("tile.gap.hint.risk" if self.averse else "tile.gap.hint", hint) as said:
            self.money(said["bound"], c["bound"], rounded="down")

    def _tile_ratio(self, value: str, hint: str) -> None:
        ratio = self.capacity["ratio"].dropna()
        same_text(hint, self.words("tile.ratio.hint"))
        if value == "–" and not len(ratio):
            return
        for text, right in zip(value.split(" – "), (ratio.min(), ratio.max()), strict=True):
            if not -1e-9 <= right - float(text) <= 0.01:
                raise UntracedError(f"{text} is not {right}")

    def _tile_busy(self, value: str, hint: str) -> None:
        rows = self.busy
        hours = self.days.weight[rows["period"].to_numpy(int), rows["day"].to_numpy(int)]
        hours = hours * self.days.step_hours[rows["step"].to_numpy(int)]
        stock = self.tables["stock"]
        all_hours = (self.days.weight * self.days.step_hours.sum()).sum(axis=1)
        stands = (stock["owned"] + stock["leased"]) * self.weight(stock) * all_hours[stock["period"].to_numpy(int)]
        same_percent(value, float((rows["busy"] * hours * self.weight(rows)).sum() / max(stands.sum(), 1e-9)))
        key = ["future", "period", "day", "step", "site", "module_type"]
        busiest = 0.0
        for (f, t, _, _, s, k), busy in rows.groupby(key)["busy"].sum().items():  # type: ignore[misc]
            own = stock[(stock["period"] == t) & (stock["site"] == s) & (stock["module_type"] == k)]
            own = own[own["branch"].isin((-1, f))]
            busiest = max(busiest, busy / float((own["owned"] + own["leased"]).sum()))
        with self._hint("tile.busy.hint", hint) as said:
            same_percent(said["peak"], busiest)

    def _tile_shortfall(self, value: str, hint: str) -> None:
        worst = float(self.unserved["share"].max()) if len(self.unserved) else 0.0
        same_percent(value, worst)
        if not len(self.unserved):
            undone = len(self.tables["unfinished"]) > 0
            same_text(hint, self.words("tile.shortfall.unfinished" if undone else "tile.shortfall.none"))
            return
        with self._hint("tile.shortfall.hint", hint) as said:
            share = self.unserved["share"][self.id_of(self.case.workloads, said["name"])]
            if share < worst - 1e-9:
                raise UntracedError("another workload is shorter")

    def _tile_energy(self, value: str, hint: str) -> None:
        energy = self.tables["energy"]
        same(value.removesuffix(" GWh"), energy["facility_mwh"].sum(), unit=1000.0)
        with self._hint("tile.energy.hint", hint) as said:
            if energy["facility_mwh"].sum() == 0:
                same_text(said["pue"], "–")
            else:
                same(said["pue"], energy["facility_mwh"].sum() / energy["it_mwh"].sum())

    def _tile_carbon(self, value: str, hint: str) -> None:
        carbon = self.tables["carbon"]
        same(value.removesuffix(" kt CO₂"), carbon["location_tonnes"].sum(), unit=1000.0)
        with self._hint("tile.carbon.hint", hint) as said:
            same(said["market"], carbon["market_tonnes"].sum(), unit=1000.0)
