"""The audit of answers: what-if, filling, resilience, alternatives, sensitivities, headroom, two plans side by side.

Each number is worked out from the tables and proofs of the plans at hand, or by another program; each is then altered.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.explain.alternatives import near_optimal
from planner.explain.asking import Change
from planner.explain.filling import value_of_filling
from planner.explain.headroom import Headroom, headroom
from planner.explain.resilience import cost_of_resilience
from planner.explain.sensitivity import sensitivity, usual_variations
from planner.explain.what_if import what_if
from planner.plan import Plan
from planner.planning import make_plan
from planner.report.grid import Grid
from planner.report.questions import answer_tables
from planner.report.side_by_side import side_by_side
from planner.scenarios.levers import HardwarePrice
from planner.solve import Limits
from planner.verify import verify
from planner.words.wording import LANGUAGES, wording
from tests.planner.audit.comparison import Said, money_unit
from tests.planner.audit.ledger import Ledger
from tests.planner.audit.reading import (
    Taken,
    UntracedError,
    caught,
    same,
    same_compute,
    same_money,
    same_percent,
    same_text,
    sentences,
)
from tests.planner.random.cases import random_case
from tests.planner.random.reference import reference

LIMITS = Limits(seconds=60, gap=1e-3)
KINDS = ("already", "dearer", "cheaper", "unclear", "impossible", "filling", "filling_unclear", "filling_money",
         "filling_none", "resilience", "resilience_unclear")  # fmt: skip
ASKED = tuple(f"ask.{kind}" for kind in KINDS)
SEEDS = [3, *(pytest.param(s, marks=pytest.mark.slow) for s in (0, 1, 4, 5, 7))]
OF_FUTURES = [3, 5, *(pytest.param(s, marks=pytest.mark.slow) for s in (0, 1, 4, 7))]
HARDER = 1.3


def planned(seed: int) -> Plan:
    return make_plan(Case.model_validate(random_case(seed)), limits=LIMITS)


def ordered(plan: Plan) -> int:
    return int(plan.tables["orders"]["modules"].sum())


def all_caught(said: Iterator[Said]) -> int:
    count = 0
    for text, check in said:
        check(text)
        assert caught(check, text) == [], text
        count += 1
    return count


def answered(text: str, change: Change, plan: Plan, language: str) -> None:
    """A sentence about another plan: its cost by its own tables, the range from both proofs."""
    words, currency = wording(language), plan.case.meta.currency
    ((key, groups),) = sentences(language, text, ASKED)
    with Taken(groups) as said:
        if key in ("ask.already", "ask.impossible", "ask.filling_none"):
            assert "question" not in said or said["question"]
            return
        other = change.plan
        assert other is not None
        old, new = plan.certificate, other.certificate
        cost = verify(other.case, other.demand, other.tables).objective - old["objective"]
        least, most = new["bound"] - old["objective"], new["objective"] - old["bound"]
        if key.startswith(("ask.filling", "ask.resilience")):  # nothing is cheaper with more limits
            least, most = max(new["bound"] - min(old["objective"], new["objective"]), 0.0), max(most, 0.0)
        turned = -1 if key == "ask.cheaper" else 1
        same_money(said["least"], min(turned * least, turned * most), currency, rounded="down")
        same_money(said["most"], max(turned * least, turned * most), currency, rounded="up")
        if (key in ("ask.unclear", "ask.filling_unclear", "ask.resilience_unclear")) is not (least <= 0 <= most):
            raise UntracedError("surer, or less sure, than the proofs are")
        if "question" in said:
            same_text(said["question"], words.sentence(change.question.said(words)))
        if "cost" in said:
            same_money(said["cost"], turned * cost, currency)
        if key == "ask.filling_unclear":
            same(said["modules"], ordered(other), figures=6)
            same(said["own"], ordered(plan), figures=6)
            same_money(said["after"], new["objective"], currency)
            same_money(said["before"], old["objective"], currency)
        elif key == "ask.filling":
            same(said["modules"], ordered(other) - ordered(plan), figures=6)
            same_compute(
                said["compute"], float(other.tables["orders"]["pflops"].sum() - plan.tables["orders"]["pflops"].sum())
            )
        elif key.startswith("ask.resilience"):
            online = [words.name(w.names) for w in plan.case.workloads if w.kind.value == "online"]
            same_text(said["workloads"], words.joined(online))


def changed(grids: list[Grid], before: Plan, after: Plan, language: str) -> Iterator[Said]:
    """Tables of a change: terms of cost, orders that differ."""
    words, books = wording(language), (Ledger(before, language), Ledger(after, language))
    for grid in grids:
        for row in grid.rows:
            if grid.title == words("ask.by_term"):
                sums = [
                    b.tables["costs"].assign(name=[words.either(f"term.{t}", t) for t in b.tables["costs"]["term"]])
                    for b in books
                ]
                was, now = (b.mean(t[t["name"] == row[0]], "discounted") for b, t in zip(books, sums, strict=True))
                yield row[1], lambda text, by=now - was: books[0].money(text, by)
            elif grid.title in (words("ask.orders_moved"), words("ask.orders_alike")):
                for cell, book in zip(row[3:], books, strict=True):
                    yield cell, lambda text, row=row, book=book: same(text, orders_of(book, row), figures=6)


def orders_of(book: Ledger, row: list[str]) -> int:
    table = book.tables["orders"]
    mine = (table["site"] == book.id_of(book.case.sites, row[0])) & (
        table["module_type"] == book.id_of(book.case.module_types, row[1])
    )
    return int(table.loc[mine & (table["arrival_period"] == book.period(row[2])), "modules"].sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_of_a_question_about_another_world_is_that_of_two_plans(seed: int) -> None:
    plan = planned(seed)
    document = random_case(seed)
    dearer = what_if(plan, levers=[HardwarePrice(kind="hardware_price", factor=HARDER)], limits=LIMITS)
    harder = copy.deepcopy(document)
    for kind in harder["module_types"]:
        kind["capex"] = (HARDER * np.array(kind["capex"])).tolist()
    apart = reference(harder, 1e-6)[1] - reference(document, 1e-6)[1]
    assert dearer.least - 1e-4 * abs(apart) - 1e-3 <= apart <= dearer.most + 1e-4 * abs(apart) + 1e-3
    filling = value_of_filling(plan, limits=LIMITS)
    surviving = cost_of_resilience(plan, limits=LIMITS)
    assert surviving is not None
    for language in LANGUAGES:
        words, currency = wording(language), plan.case.meta.currency
        asked = (
            ("what_if", dearer.sentence(words, currency), dearer, dearer.to_json()),
            ("filling", filling.sentence(words, currency), filling.change, filling.to_json()),
            ("resilience", surviving.sentence(words, plan.case), surviving.change, surviving.to_json()),
        )
        for kind, text, change, answer in asked:
            check = lambda text, change=change: answered(text, change, plan, language)  # noqa: E731, B023
            all_caught(iter([(text, check)]))
            if change.plan is not None:
                grids = answer_tables(kind, answer, plan.case, words)
                all_caught(changed(grids, plan, change.plan, language))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_of_two_plans_side_by_side_is_in_one_of_them(seed: int) -> None:
    plan = planned(seed)
    document = random_case(seed)
    for workload in document["workloads"]:
        workload["shortfall_cost"] *= 3
    other = make_plan(Case.model_validate(document), limits=LIMITS)
    for language in LANGUAGES:
        assert all_caught(beside(plan, other, language)) > 10


def beside(first: Plan, second: Plan, language: str) -> Iterator[Said]:
    words, books = wording(language), (Ledger(first, language), Ledger(second, language))
    found = side_by_side(first, second, words)
    costs = [b.mean(b.tables["costs"], "discounted") for b in books]
    dearer = (first, second)[costs[1] > costs[0]].certificate

    def cost(text: str) -> None:
        keys = ("apart.dearer", "apart.cheaper", "apart.same_cost", "apart.within_proofs", "apart.nothing_proven")
        told = list(sentences(language, text, keys, rest=""))
        kind = "same_cost" if costs[0] == costs[1] else "dearer" if costs[1] > costs[0] else "cheaper"
        same_text(told[0][0], f"apart.{kind}")
        with Taken(told[0][1]) as said:
            books[0].money(said["before"], costs[0])
            if kind != "same_cost":
                books[0].money(said["after"], costs[1])
                books[0].money(said["change"], abs(costs[1] - costs[0]))
        left = dearer["objective"] - dearer["bound"]
        within = "apart.within_proofs" in [key for key, _ in told]
        if kind != "same_cost" and within is not (abs(costs[1] - costs[0]) <= left):
            raise UntracedError("within the proof, or not")
        if within:
            with Taken(told[1][1]) as said:
                books[0].money(said["gap"], left, rounded="up")

    yield found.sentences[0], cost
    yield found.sentences[1], lambda text: counted(text, "orders", len(found.orders), language)
    for row in found.costs.to_dict("records")[:-1]:
        term, *figures = row.values()
        for name, value in zip(list(row)[1:], figures, strict=True):
            ids = [t for t in first.summary["cost_by_term"] if words.either(f"term.{t}", t) == term]
            was, now = (b.mean(b.tables["costs"][b.tables["costs"]["term"].isin(ids)], "discounted") for b in books)
            right = {words("apart.first"): was, words("apart.second"): now}.get(
                name.split(" (")[0].split("（")[0], now - was
            )
            yield words.number(value, 4), lambda text, r=right, n=name: same(text, r, figures=4, unit=money_unit(n))


def counted(text: str, name: str, count: int, language: str) -> None:
    ((key, groups),) = sentences(language, text, (f"apart.{name}", f"apart.same_{name}"))
    with Taken(groups) as said:
        if key == f"apart.{name}":
            same(said[name], count, figures=6)
        elif count:
            raise UntracedError("they differ")


@pytest.mark.parametrize("seed", OF_FUTURES)
def test_every_number_of_headroom_is_that_of_the_plan_without_orders(seed: int) -> None:
    found = headroom(planned(seed), limits=LIMITS)
    assert not len(found.plan.tables["orders"])
    for language in LANGUAGES:
        assert all_caught(lasting(found, language)) >= 1


def lasting(found: Headroom, language: str) -> Iterator[Said]:
    book, plan = Ledger(found.plan, language), found.plan
    T = plan.case.horizon.periods
    firsts = [min((t for t in range(T) if lacks(plan, f, t)), default=T) for f in range(len(plan.demand))]

    def until(text: str) -> None:
        ((key, groups),) = sentences(language, text, ("headroom.all", "headroom.all_lasts"))
        with Taken(groups) as said:
            if (key == "headroom.all") is not (min(firsts) < T):
                raise UntracedError("something is short, or nothing is")
            if key == "headroom.all":
                by = sorted(zip(firsts, plan.demand.probability, strict=True))
                middle = next(t for n, (t, _) in enumerate(by) if sum(p for _, p in by[: n + 1]) >= 0.5 - 1e-12)
                for name, t in (("earliest", min(firsts)), ("middle", middle), ("latest", max(firsts))):
                    same_text(said[name], book.date(t) if t < T else book.words("headroom.beyond"))

    def multiples(text: str) -> None:
        ((_, groups),) = sentences(language, text, ("headroom.multiples",))
        with Taken(groups) as said:
            parts = book.parts(said["parts"])
        ratio = found.plan.tables["capacity"].groupby("period")["build_ahead_ratio"].min().dropna()
        if len(parts) != len(ratio):
            raise UntracedError("other periods")
        for part, (t, right) in zip(parts, ratio.items(), strict=True):
            ((_, inner),) = sentences(language, part, ("headroom.part",))
            with Taken(inner) as one:
                same_text(one["period"], book.label(int(t)))
                if not -1e-9 <= right - float(one["ratio"]) < 0.01 + 1e-9:
                    raise UntracedError(f"{part} is not {right}")

    first, *more = found.sentences(book.words)
    yield first, until
    for text in more:
        yield text, multiples


def lacks(plan: Plan, future: int, period: int) -> bool:
    """Whether any work of a region, or any training, lacks more than a thousandth of what it asks."""
    demand, case = plan.demand, plan.case
    hours = demand.days.weight[period][:, None] * demand.days.step_hours
    short, training = plan.tables["shortfall"], plan.tables["training"]
    for w, work in enumerate(case.workloads):
        asked = np.einsum("rdh,dh->r", demand.values[future, w, :, period], hours)
        if work.kind.value == "training":
            own = training[
                (training["workload"] == work.id) & (training["future"] == future) & (training["period"] == period)
            ]
            if float(own["shortfall_unit_hours"].sum()) > 1e-3 * float(asked.sum()):
                return True
            continue
        for r, region in enumerate(case.regions):
            own = short[(short["workload"] == work.id) & (short["region"] == region.id) & (short["future"] == future)]
            own = own[own["period"] == period]
            lost = own["shortfall"].to_numpy(float) * hours[own["day"].to_numpy(int), own["step"].to_numpy(int)]
            if lost.sum() > 1e-3 * asked[r]:
                return True
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_of_alternatives_and_sensitivities_is_that_of_their_plans(seed: int) -> None:
    plan = planned(seed)
    quality: Any = "fewest_sites"
    one = near_optimal(plan, quality, epsilon=0.1, limits=LIMITS, tries=2)
    table = sensitivity(plan, usual_variations(plan)[:2], limits=LIMITS)
    answer: dict[str, Any] = {"epsilon": 0.1, "rows": [one.to_json()]}
    varied = {"rows": [{k: (None if v != v else v) for k, v in row.items()} for row in table.to_dict("records")]}
    old = plan.certificate
    cost = verify(plan.case, plan.demand, one.plan.tables).objective
    sites = [plan.tables["orders"]["site"].nunique(), one.plan.tables["orders"]["site"].nunique()]
    for language in LANGUAGES:
        words, currency = wording(language), plan.case.meta.currency
        (row,) = answer_tables("alternatives", answer, plan.case, words)[0].rows

        def alternative(row: list[str] = row) -> Iterator[Said]:
            for cell, right in zip(row[1:3], sites, strict=True):
                yield cell, lambda text, right=right: same(text, right)
            yield row[3], lambda text: same_percent(text, (cost - old["objective"]) / abs(old["objective"]))
            least, most = row[4].split(" … ")
            yield (
                least,
                lambda text: same_percent(
                    text, max(cost - old["objective"], 0.0) / abs(old["objective"]), rounded="down"
                ),
            )
            yield most, lambda text: same_percent(text, (cost - old["bound"]) / abs(old["bound"]), rounded="up")

        all_caught(alternative())
        for cells, row in zip(
            answer_tables("sensitivity", varied, plan.case, words)[0].rows, varied["rows"], strict=True
        ):
            if row["difference"] is None:
                continue

            def varying(
                cells: list[str] = cells, row: dict[str, Any] = row, currency: str = currency
            ) -> Iterator[Said]:
                yield cells[1], lambda text: same_money(text, row["cost"] - old["objective"], currency)
                least, most = cells[2].split(" … ")
                yield least, lambda text: same_money(text, row["least"], currency, rounded="down")
                yield most, lambda text: same_money(text, row["most"], currency, rounded="up")

            all_caught(varying())
