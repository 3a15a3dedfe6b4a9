"""Every number of a comparison's sentences, tables and charts, worked out again from the costs of every future.

What is right comes from the table `futures` (each scenario in each future) and the tables of what was measured; means,
intervals, regret, break-evens and ranges are made here, by nothing of `planner.compare` or `planner.rules`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import t as student

from planner.compare.comparison import Comparison
from planner.report.comparison import ComparisonContent
from planner.report.content import Drawn
from planner.words.wording import wording
from tests.planner.audit.reading import (
    Taken,
    UntracedError,
    number,
    same,
    same_money,
    same_percent,
    same_text,
    sentences,
)

FIRST = tuple(f"verdict.{kind}" for kind in ("one", "clear", "close", "single", "tie", "exact"))
MIDDLE = ("verdict.risk_same", "verdict.risk")
LAST = ("verdict.more", "verdict.times", "verdict.most")
INFORMATION = tuple(f"compare.{kind}" for kind in ("vss_unknown", "evpi_unknown", "vss", "evpi"))
KNOWN = ("vss", "vss_at_hand", "evpi_all", "evpi", "evpi_at_hand", "eev_impossible", "no_mean_plan")
NOTES = tuple(f"information.{kind}" for kind in KNOWN)
OVERVIEW = ("mean", "low", "high", "p90", "cvar", "shortfall", "idle_cost", "largest_regret")
Said = tuple[str, Callable[[str], object]]


def money_unit(heading: str) -> float:
    """What one of a table's money stands for, from its heading: "Cost (M CNY)"."""
    sign = re.search(r"[(（](bn |M |k |亿|万)?(?:[A-Z]{3}|元)[)）]$", heading)
    if sign is None:
        raise UntracedError(f"no unit of money: {heading}")
    return {None: 1.0, "bn ": 1e9, "M ": 1e6, "k ": 1e3, "亿": 1e8, "万": 1e4}[sign[1]]


class ComparisonBook:
    """A comparison and a language; `everything` gives each text with its check, which raises UntracedError."""

    def __init__(
        self, found: Comparison, told: ComparisonContent, language: str, *, periods: list[str], planned_for: int
    ) -> None:
        """periods: their labels. planned_for: how many futures the plans were made for."""
        self.found, self.told, self.tables, self.language = found, told, found.tables, language
        self.periods, self.planned_for = periods, planned_for
        self.words, self.currency = wording(language), str(found.summary["currency"])
        scenarios = self.tables["scenarios"].set_index("scenario")
        self.names = scenarios["name_zh" if language.startswith("zh") else "name_en"].astype(str).to_dict()
        futures = self.tables["futures"]
        self.probability = futures.groupby("future")["probability"].first().to_numpy(float)
        wide = futures[futures["regret"].notna()].pivot_table(index="scenario", columns="future", values="cost")
        self.cost = {str(s): row.to_numpy(float) for s, row in wide.iterrows()}
        self.mean = {s: float(row @ self.probability) for s, row in self.cost.items()}
        self.shortage = self._means("shortfall_cost")
        self.idle = self._means("idle_cost")

    def _means(self, column: str) -> dict[str, float]:
        rows = self.tables["futures"]
        rows = rows[rows["scenario"].isin(self.cost)]
        return {str(s): float(g[column] @ g["probability"]) for s, g in rows.groupby("scenario")}

    def everything(self) -> Iterator[Said]:
        """Verdict, choices, overview, values of information, charts."""
        told = self.told
        if told.verdict:
            first, middle, last, *broken = told.verdict
            yield first, self.first
            yield middle, self.middle
            yield last, self.last
            for text in broken:
                yield text, self.broken
            if bool(broken) is not (self.measured(self.best, "broken_limits") > 0):
                raise UntracedError("that it breaks limits is not said, or is said of one that breaks none")
        yield f"{told.futures}", lambda text: same(text, len(self.probability), figures=6)
        for kind, name in told.choices.items():
            self.choice(kind, name)
        for row, text in zip(self.tables["value_of_information"].to_dict("records"), told.information, strict=True):
            yield text, lambda text, row=row: self.information(text, row)
        if told.overview is not None:
            for row in told.overview.rows:
                for at, cell in enumerate(row[1:], start=1):
                    yield cell, lambda cell, name=row[0], at=at: self.cell(cell, name, at)
        for chart in told.charts:
            yield from self.chart(chart)

    # ---- who is meant
    def scenario(self, text: str) -> str:
        plain = text.strip("“”")
        known = [s for s, name in self.names.items() if name == plain]
        if len(known) != 1:
            raise UntracedError(f"no scenario: {text}")
        return known[0]

    @cached_property
    def best(self) -> str:
        return min(self.mean, key=lambda s: self.mean[s])

    def measured(self, scenario: str, measure: str) -> float:
        rows = self.tables["measures"]
        own = rows[(rows["scenario"] == scenario) & (rows["measure"] == measure)]
        return float(own["value"].iloc[0])

    def least(self, values: dict[str, float], scenario: str) -> None:
        low = min(values.values())
        if values[scenario] > low + 1e-9 * abs(low):
            raise UntracedError(f"{scenario} is not the least of {values}")

    def money(self, text: str, value: float, **how: Any) -> None:
        same_money(text, value, self.currency, **how)

    # ---- the verdict
    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """Student's 95 % interval of a weighted mean."""
        p = self.probability
        if not self.found.summary["apart"]:
            return (float(values @ p),) * 2
        n, centre = 1 / float((p**2).sum()), float(values @ p)
        if n < 1.5:
            return math.nan, math.nan
        spread = math.sqrt(float((values - centre) ** 2 @ p) * n / (n - 1) / n)
        half = float(student.ppf(0.975, n - 1)) * spread
        return centre - half, centre + half

    def first(self, text: str) -> None:
        ((key, groups),) = sentences(self.language, text, FIRST)
        kind = key.removeprefix("verdict.")
        with Taken(groups) as said:
            best = self.scenario(said["best"])
            self.least(self.mean, best)
            self.money(said["cost"], self.mean[best])
            if kind != "single":
                same(said["n"], len(self.probability), figures=6)
            if kind == "one":
                if len(self.cost) > 1:
                    raise UntracedError("others can be compared")
                return
            same(said["k"], len(self.cost), figures=6)
            second = self.scenario(said["second"])
            self.least({s: v for s, v in self.mean.items() if s != best}, second)
            apart = self.cost[second] - self.cost[best]
            low, high = self.interval(apart)
            less = self.mean[second] - self.mean[best]
            if kind == "tie":
                if less > 1e-9 * abs(self.mean[best]):
                    raise UntracedError("they do not cost the same")
                return
            self.money(said["less"], less)
            sampled = bool(self.found.summary["apart"])
            right = "exact" if not sampled else "single" if math.isnan(low) else "clear" if low > 0 else "close"
            same_text(kind, right)
            if kind == "clear":
                self.money(said["low"], low, rounded="down")
                self.money(said["high"], high, rounded="up")

    def middle(self, text: str) -> None:
        ((key, groups),) = sentences(self.language, text, MIDDLE)
        worst = {s: float(v.max()) for s, v in self.regret.items()}
        with Taken(groups) as said:
            same(said["short"], self.measured(self.best, "shortfall"))
            self.money(said["idle"], self.idle[self.best])
            careful = self.best if key == "verdict.risk_same" else self.scenario(said["careful"])
            self.least(worst, careful)
            self.money(said["regret"], worst[careful])

    @cached_property
    def regret(self) -> dict[str, np.ndarray]:
        least = np.min(list(self.cost.values()), axis=0)
        return {s: own - least for s, own in self.cost.items()}

    def last(self, text: str) -> None:
        """From where a more cautious one is cheaper: all costs, with those of shortage times a factor."""
        ((key, groups),) = sentences(self.language, text, LAST)
        paid = {s: self.mean[s] - self.shortage[s] for s in self.cost}
        lower = [s for s in self.cost if self.shortage[s] < self.shortage[self.best] * (1 - 1e-9)]
        with Taken(groups) as said:
            if key == "verdict.most":
                self.least(self.shortage, self.scenario(said["best"]))
                return
            more = self.scenario(said["more"])
            # the first factor from 1 on at which one that loses less costs no more than the best
            factor = {s: (paid[s] - paid[self.best]) / (self.shortage[self.best] - self.shortage[s]) for s in lower}
            self.least(factor, more)
            hours = self.measured(self.best, "shortfall") - self.measured(more, "shortfall")
            saved = self.shortage[self.best] - self.shortage[more]
            if (hours > 0) is not (key == "verdict.more"):
                raise UntracedError("fewer hours are lost, or more")
            if key == "verdict.times":
                same(said["factor"], factor[more], rounded="up")
                return
            self.money(said["price"], factor[more] * saved / hours, rounded="up")
            self.money(said["today"], saved / hours)

    def broken(self, text: str) -> None:
        ((_, groups),) = sentences(self.language, text, ("verdict.broken",))
        with Taken(groups) as said:
            same_text(self.scenario(said["best"]), self.best)
            same_percent(said["share"], self.measured(self.best, "broken_limits"), rounded="up")

    def choice(self, kind: str, name: str) -> None:
        chosen = self.scenario(name)
        worst = {s: float(v.max()) for s, v in self.regret.items()}
        of = {"best_mean": self.mean, "minimax_regret": worst, "least_cvar": {s: self.cvar(s) for s in self.cost}}
        if kind in of:
            self.least(of[kind], chosen)
        elif any(
            self.idle[s] < self.idle[chosen] and self.shortage[s] < self.shortage[chosen] for s in self.cost
        ):  # the knee
            raise UntracedError("the knee has both more idle and more shortage than another")

    def cvar(self, scenario: str) -> float:
        """Mean of the dearest tenth."""
        left, total = 0.1, 0.0
        for f in np.argsort(-self.cost[scenario], kind="stable"):
            part = min(left, float(self.probability[f]))
            total, left = total + part * float(self.cost[scenario][f]), left - part
        return total / 0.1

    # ---- what the future is worth
    def information(self, text: str, row: dict[str, Any]) -> None:
        ((key, groups),) = sentences(self.language, text, INFORMATION)
        known = not math.isnan(row["value"])
        if key != f"compare.{row['measure']}" + ("" if known else "_unknown"):
            raise UntracedError("another value, or one that is not known")
        with Taken(groups) as said:
            if known:
                self.money(said["value"], row["value"])
                self.money(said["low"], row["low"], rounded="down")
                self.money(said["high"], row["high"], rounded="up")
                if not row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9:
                    raise UntracedError("the value lies outside of its range")
            self._rests_on(said["note"])

    def _rests_on(self, text: str) -> None:
        ((key, groups),) = sentences(self.language, text, NOTES)
        scenarios = self.tables["scenarios"]
        with Taken(groups) as said:
            if key == "information.vss":
                own = scenarios[scenarios["rule"] == "stochastic"].iloc[0]
                gap = (own["objective"] - own["bound"]) / abs(own["objective"])
                same_percent(said["plan"], gap, rounded="up")
                # range and value tell what the decisions for the mean future cost at least and at most
                value, low = (self.known_of("vss", name) for name in ("value", "low"))
                same_percent(said["mean"], (value - low) / abs(value + own["objective"]), rounded="up")
            elif key.endswith("_at_hand"):
                same(said["futures"], self.planned_for, figures=6)
                if key == "information.evpi_at_hand":  # each rule in the case's own world, and the mean plan
                    rows = scenarios[(scenarios["world"] == "base") & (scenarios["status"] == "planned")]
                    same(said["plans"], len(set(rows["rule"]) | {"mean_value"}), figures=6)
            elif key.startswith("information.evpi"):
                same(said["futures"], self.planned_for, figures=6)
                limits = self.found.summary["limits"]["seconds"]
                same(said["seconds"], min(max(2 * limits / self.planned_for, 1.0), limits))
                if key == "information.evpi" and number(said["known"]) >= self.planned_for:
                    raise UntracedError("there are no others")
            elif key == "information.no_mean_plan":
                said["why"]

    def known_of(self, measure: str, column: str) -> float:
        rows = self.tables["value_of_information"].set_index("measure")
        return float(rows.loc[measure, column])

    # ---- tables and charts
    def cell(self, cell: str, name: str, at: int) -> None:
        """A number of the overview: money in the unit of its title."""
        scenario = self.scenario(name)
        column = OVERVIEW[at - 1]
        values = self.row_of(scenario)
        value = values[column]
        if math.isnan(value):
            same_text(cell, "–")
            return
        assert self.told.overview is not None
        same(cell, value, figures=4, unit=1.0 if column == "shortfall" else money_unit(self.told.overview.title))

    def row_of(self, scenario: str) -> dict[str, float]:
        """The overview's numbers of a scenario; nan where there are none."""
        rows = self.tables["costs"]
        rows = rows[rows["scenario"] == scenario].set_index("statistic")
        out = dict.fromkeys(OVERVIEW, math.nan)
        if not len(rows):
            return out
        out |= {name: float(rows.loc["mean", name]) for name in ("low", "high")}
        out |= {name: float(rows.loc[name, "value"]) for name in ("mean", "p90", "cvar")}
        if scenario not in self.cost:
            return out
        low, high = self.interval(self.cost[scenario])
        out |= {"mean": self.mean[scenario], "low": low, "high": high, "cvar": self.cvar(scenario)}
        out |= {"p90": self.quantile(scenario, 0.9), "shortfall": self.measured(scenario, "shortfall")}
        return out | {"idle_cost": self.idle[scenario], "largest_regret": float(self.regret[scenario].max())}

    def quantile(self, scenario: str, q: float) -> float:
        """The least cost that so much of probability does not exceed."""
        reached = 0.0
        for f in np.argsort(self.cost[scenario], kind="stable"):
            reached += float(self.probability[f])
            if reached >= q - 1e-12:
                return float(self.cost[scenario][f])
        raise AssertionError

    def chart(self, chart: Drawn) -> Iterator[Said]:
        """Cells of a chart's table; its title and note hold no number but that of a name."""
        words = self.words
        plain = chart.title + chart.note
        for name in self.names.values():
            plain = plain.replace(name, "")
        told = set(re.findall(r"\d+", plain)) - {"95", "10", "90", "50"}
        if told:
            raise UntracedError(f"numbers that nobody knows in {chart.title}: {told}")
        names = [str(column["name"]) for column in chart.table.columns]
        for row in chart.table.rows:
            for heading, cell in list(zip(names, row, strict=True))[1:]:
                if not re.search(r"\d", cell):
                    continue
                if chart.id == "ahead":
                    yield cell, lambda cell, h=heading, r=row[0]: self.ahead(cell, h, r)
                elif chart.id == "tornado":
                    low = re.search(rf", {words('low')}( ?[(（]|$)", heading) is not None
                    yield cell, lambda cell, h=heading, r=row[0], low=low: self.moved(cell, h, r, low=low)
                else:
                    yield cell, lambda cell, h=heading, r=row[0]: self.of_scenario(cell, h, self.scenario(r))

    def of_scenario(self, cell: str, heading: str, scenario: str) -> None:
        """A cell of the charts of costs, regret and the frontier, by its heading."""
        label, words = re.split(r" ?[(（]", heading)[0], self.words
        values = {
            words("mean_cost"): self.row_of(scenario)["mean"],
            words("p10"): self._statistic(scenario, "p10"),
            words("p90"): self.row_of(scenario)["p90"],
            words("cvar"): self.row_of(scenario)["cvar"],
        }
        if scenario in self.cost:
            values |= {
                words("regret_mean"): float(self.regret[scenario] @ self.probability),
                words("regret_largest"): float(self.regret[scenario].max()),
                words("idle_cost"): self.idle[scenario],
                words("shortfall_cost"): self.shortage[scenario],
            }
        if label == words("best_in"):
            nothing = 1e-9 * np.abs(self.cost[scenario])
            same_percent(cell, float((self.regret[scenario] <= nothing) @ self.probability))
        elif heading == words("interval"):
            unit = money_unit(self.cost_heading)
            for text, name in zip(cell.split(" – "), ("low", "high"), strict=True):
                same(text, self.row_of(scenario)[name], figures=4, unit=unit)
        else:
            same(cell, values[label], figures=4, unit=money_unit(heading))

    @cached_property
    def cost_heading(self) -> str:
        chart = next(c for c in self.told.charts if c.id == "scenario-costs")
        return str(chart.table.columns[1]["name"])

    def _statistic(self, scenario: str, statistic: str) -> float:
        rows = self.tables["costs"]
        rows = rows[(rows["scenario"] == scenario) & (rows["statistic"] == statistic)]
        right = float(rows["value"].iloc[0])
        if scenario in self.cost and abs(right - self.quantile(scenario, 0.1)) > 1e-9 * abs(right):
            raise UntracedError("another quantile")
        return right

    def ahead(self, cell: str, heading: str, period: str) -> None:
        rows = self.tables["ahead"]
        own = rows[(rows["scenario"] == self.scenario(heading))]
        at = {label: t for t, label in enumerate(self.periods)}[period]
        same(cell, float(own.loc[own["period"] == at, "build_ahead_ratio"].iloc[0]), figures=4)

    def moved(self, cell: str, heading: str, factor: str, *, low: bool) -> None:
        """What a change of one price brings, from the cost's own terms."""
        kinds = {self.words(f"factor.{k}"): k for k in ("shortfall_cost", "energy_price", "hardware_price", "demand")}
        kind = kinds[factor]
        rows = self.tables["sensitivity"]
        if heading.startswith(self.words("best_then")):
            then = rows[(rows["factor"] == kind) & (rows["setting"] == ("low" if low else "high"))]
            self.least(dict(zip(then["scenario"], then["cost"], strict=True)), self.scenario(cell))
            return
        own = rows[(rows["scenario"] == self.best) & (rows["factor"] == kind)]
        right = float(own.loc[own["setting"] == ("low" if low else "high"), "change"].iloc[0])
        terms = self.tables["terms"]
        terms = terms[terms["scenario"] == self.best].set_index("term")["cost"]
        for name, term, part in (
            ("shortfall_cost", "shortfall", 0.5),
            ("energy_price", "energy", 0.2),
            ("hardware_price", "capex", 0.2),
        ):
            if kind == name and abs(abs(right) - part * abs(float(terms[term]))) > 1e-6 * abs(right) + 1e-9:
                raise UntracedError(f"{factor} moves another amount")
        same(cell, right, figures=4, unit=money_unit(heading))
