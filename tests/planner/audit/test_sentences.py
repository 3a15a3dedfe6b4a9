"""The sentence audit: every number that a reader sees is traced to a cell, a sum of cells, or a solve made here.

Texts are read as they are printed, in both languages; then each of their numbers is altered, and the alteration must be
caught. Re-solves are those of tests/planner/random/reference.py, written from docs/model.md alone.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from forecasts.fault import Fault
from planner.case import Case
from planner.case.errors import InfeasibleError
from planner.case.file import case_from, dump_case
from planner.case.movable import LimitField, limit_fields
from planner.explain.asking import Change
from planner.explain.departures import departure_drivers
from planner.explain.drivers import order_drivers
from planner.explain.explanation import Explanation
from planner.explain.prices import shadow_prices
from planner.explain.why_not import Question, why_not
from planner.plan import Plan
from planner.planning import make_plan, plan_demand
from planner.report.content import plan_content
from planner.report.figures import View
from planner.solve import Limits
from planner.verify import verify
from planner.words.limits import named
from planner.words.wording import LANGUAGES, wording
from tests.planner.audit.ledger import HEADLINE, LINES, PROOF, REASONS, Ledger
from tests.planner.audit.reading import (
    NUMBER,
    Taken,
    UntracedError,
    altered,
    caught,
    number,
    same,
    same_money,
    same_percent,
    same_text,
    sentences,
)
from tests.planner.explain.random_cases import at, written
from tests.planner.random.cases import random_case
from tests.planner.random.reference import least_unserved, reference

FAST = (3, 5, 8)
SEEDS = [pytest.param(s, marks=[] if s in FAST else [pytest.mark.slow]) for s in range(33)]
Said = tuple[str, Callable[[str], object]]


@cache
def planned(seed: int) -> Plan | tuple[Fault, ...]:
    """The plan of a random case, to its optimum or only within 5 %; why there is none where that is so."""
    limits = Limits(seconds=60, gap=0.05 if seed % 3 == 2 else 1e-6)
    try:
        return make_plan(Case.model_validate(random_case(seed)), limits=limits)
    except InfeasibleError as error:
        return tuple(error.faults)


def ledger(seed: int, plan: Plan, language: str) -> Ledger:
    document = random_case(seed)

    @cache
    def least() -> float:
        return least_unserved(document)

    @cache
    def serving(unserved: float) -> float:
        status, _, bound = reference(document, 1e-6, unserved_at_most=unserved)
        return math.inf if status == "infeasible" else bound

    return Ledger(plan, language, least=least, serving=serving)


def everything(plan: Plan, book: Ledger) -> Iterator[Said]:
    """Every text that report and page have of a plan, beside its check; prices have tests of their own."""
    words, orders = book.words, plan.tables["orders"].to_dict("records")
    told = plan_content(
        View.of(plan, book.language), plan, Explanation(order_drivers(plan), departure_drivers(plan), None)
    )
    yield told.answer, lambda text: book.trace(text, HEADLINE)
    for line in told.answer_lines:
        short = line.startswith(tuple(words.name(w.names) for w in plan.case.workloads))
        yield line, book.short_line if short else lambda text: book.trace(text, LINES)
    empty = [text for section in told.sections for text in section.texts]
    for line in [*told.reasons, told.proof, told.verdict, *empty]:
        yield line, lambda text: book.trace(text, REASONS + PROOF + HEADLINE)
    leaving = plan.tables["departures"].to_dict("records")
    for order, line in zip(orders, told.drivers[: len(orders)], strict=True):
        yield line, lambda text, order=order: book.driver(text, order)
    for row, line in zip(leaving, told.drivers[len(orders) :], strict=True):
        yield line, lambda text, row=row: book.departure(text, row)
    for one in told.tiles:
        label, value, hint = one["label"], one["value"], one["hint"]
        yield value, lambda text, label=label, hint=hint: book.tile(label, text, hint)
        yield hint, lambda text, label=label, value=value: book.tile(label, value, text)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_of_a_random_plan_is_traced_and_none_may_be_another(seed: int) -> None:
    plan = planned(seed)
    if not isinstance(plan, Plan):
        pytest.skip("a case without a plan; see the smallest changes")
    for language in LANGUAGES:
        book = ledger(seed, plan, language)
        for text, check in everything(plan, book):
            check(text)
            assert caught(check, text) == [], text


@pytest.mark.parametrize("seed", SEEDS)
def test_every_price_of_a_random_plan_is_a_solve_of_another_program(seed: int) -> None:
    plan = planned(seed)
    if not isinstance(plan, Plan):
        pytest.skip("a case without a plan; see the smallest changes")
    document = random_case(seed)
    _, base, _ = reference(document, 1e-7)
    prices = shadow_prices(plan, seconds=60)
    slack = 2e-5 * max(abs(base), 1.0)
    for row in prices.rows.to_dict("records"):
        if prices.way == "whole":
            more = written(document, row["pointer"], json.loads(row["written"]))
            if row["with_pointer"]:
                assert base - reference(more, 1e-7)[1] <= slack, "one of two limits that bind together"
                more = written(more, row["with_pointer"], json.loads(row["with_written"]))
            saved = base - reference(more, 1e-7)[1]
            assert row["least"] - slack <= saved <= row["most"] + slack, row["sentence"]
        for language in LANGUAGES:

            def check(text: str, row: dict[str, Any] = row, language: str = language) -> None:
                price(text, row, plan.case, language)

            text = str(row["sentence_zh" if language.startswith("zh") else "sentence"])
            check(text)
            assert caught(check, text) == [], text


def price(text: str, row: dict[str, Any], case: Case, language: str) -> None:
    """The sentence of a price against its row, which a solve has borne out."""
    open_part = (row["most"] - row["least"]) / row["price"]
    figures = 5 if open_part <= 0 else min(max(math.floor(-math.log10(open_part)), 2), 5)
    fields = {f.pointer: f for f in limit_fields(case)}
    kinds = ("price.together", "price.less", "price.same", "price.no_less", "price.end")
    ((key, groups),) = sentences(language, text, kinds)

    def worth(shown: str) -> None:
        if any(shown.endswith(end) for end in (")", "）")):
            ((_, inner),) = sentences(language, shown, ("price.range",))
            with Taken(inner) as said:
                shown = said["worth"]
                same_money(said["least"], row["least"], case.meta.currency, figures=figures, rounded="down")
                same_money(said["most"], row["most"], case.meta.currency, figures=figures, rounded="up")
        elif open_part > 0.02:
            raise UntracedError("the range that the proofs leave is not said")
        same_money(shown, row["price"], case.meta.currency, figures=figures)

    with Taken(groups) as said:
        if key == "price.together":
            spot(said["a"], fields[row["pointer"]], row["period"], case, language)
            spot(said["b"], fields[row["with_pointer"]], None, case, language)
            step(said["first"], fields[row["pointer"]], row["step"], case, language)
            step(said["second"], fields[row["with_pointer"]], None, case, language)
            worth(said["worth"])
            return
        ((_, inner),) = sentences(language, said["told"], ("price.one",))
        with Taken(inner) as one:
            spot(one["spot"], fields[row["pointer"]], row["period"], case, language)
            step(one["change"], fields[row["pointer"]], row["step"], case, language)
            worth(one["worth"])
        if key == "price.end":
            if not math.isnan(row["less"]):
                raise UntracedError("what one unit less costs is not said")
            return
        step(said["change"], fields[row["pointer"]], -row["step"], case, language)
        if key == "price.no_less":
            assert math.isinf(row["less"])
        elif key == "price.less":
            same_money(said["cost"], row["less"], case.meta.currency, figures=figures)
        else:
            same_money(wording(language).money(row["less"], case.meta.currency, figures), row["price"],
                       case.meta.currency, figures=figures)  # fmt: skip


def spot(text: str, field: LimitField, period: str | None, case: Case, language: str) -> None:
    """What is limited, in which period, and the field in brackets: its pointer."""
    what = named(case, field, wording(language))
    found = re.fullmatch(r"(?P<when>.*?) ?[(（](?P<field>/[^()（）]*)[)）]", text.removeprefix(what))
    if found is None or not text.startswith(what):
        raise UntracedError(f"{text} is not about {what}")
    same_text(found["field"], field.pointer)
    labels = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    label = re.search(r"\d{4}\w*", found["when"])
    if label is None:
        assert period in ("", None) or field.spread == "onward"
    elif label[0] != period if period else label[0] not in labels:
        raise UntracedError(f"another period than {period}")


def step(text: str, field: LimitField, amount: float | None, case: Case, language: str) -> None:
    """One real unit: "1 MW more", "1 percentage point less", "1 % (90 CNY) more"."""
    ((key, groups),) = sentences(language, text, ("price.up", "price.down"))
    with Taken(groups) as said:
        numbers = [number(n) for n in NUMBER.findall(said["by"])]
    if amount is None:
        amount = field.loosens * max((field.unit_step(t) for t in range(len(field.values))), key=abs)
    if (amount > 0) is not (key == "price.up"):
        raise UntracedError("the other way round")
    right = [100 * abs(amount) if field.unit == "share" else abs(amount)]
    right = [1.0, *right] if len(numbers) == 2 else right
    if len(numbers) != len(right) or any(abs(a - b) > 1e-5 * abs(b) for a, b in zip(numbers, right, strict=True)):
        raise UntracedError(f"{text} is not {right}")


# ---- questions
ASKED = ("ask.already", "ask.dearer", "ask.cheaper", "ask.unclear", "ask.impossible")


def answered(text: str, change: Change, plan: Plan, language: str) -> None:
    """An answer against what both plans' own tables cost and what is proven of them."""
    words, currency = wording(language), plan.case.meta.currency
    ((key, groups),) = sentences(language, text, ASKED)
    with Taken(groups) as said:
        asked = said["question"]
        if key in ("ask.already", "ask.impossible"):
            same_text(asked, words.sentence(change.question.said(words)))
            return
        old, new = plan.certificate, change.plan.certificate  # type: ignore[union-attr]
        cost = verify(plan.case, plan.demand, change.plan.tables).objective - old["objective"]  # type: ignore[union-attr]
        least = max(new["bound"] - min(old["objective"], new["objective"]), 0.0)
        most = max(new["objective"] - old["bound"], 0.0)
        same_text(asked, words.sentence(change.question.said(words)))
        same_money(said["cost"], cost, currency)
        same_money(said["least"], least, currency, rounded="down")
        same_money(said["most"], most, currency, rounded="up")


@pytest.mark.parametrize("seed", [3, pytest.param(0, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_every_number_of_an_answer_is_that_of_two_plans(seed: int) -> None:
    plan = planned(seed)
    assert isinstance(plan, Plan)
    limits = Limits(seconds=60, gap=1e-3)
    ordered = int(plan.tables["orders"]["modules"].sum())
    fewer = Question(modules=max(ordered - 1, 0), sense="at_most")
    for question in (Question(modules=ordered + 1), fewer, Question(modules=0)):
        change = why_not(plan, question, limits=limits)
        for language in LANGUAGES:
            text = change.sentence(wording(language), plan.case.meta.currency)

            def check(text: str, change: Change = change, language: str = language) -> None:
                answered(text, change, plan, language)

            check(text)
            assert text[0].isupper() or language != "en"
            assert caught(check, text) == [], text


# ---- requests that cannot be met
IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "budget": {"budget": 1, "targets": 0.006},
    "carbon": {"carbon_cap_tonnes": 1, "targets": 0.005},
    "use": {"utilisation_floor": 0.97},
    "green": {"green_share_floor": 0.999},
}


@pytest.mark.parametrize("name", list(IMPOSSIBLE))
@pytest.mark.parametrize("seed", [pytest.param(s, marks=[pytest.mark.slow] if s else []) for s in range(4)])
def test_every_number_of_a_smallest_change_is_one_to_write(seed: int, name: str) -> None:
    """A random case with a limit that it cannot keep: what is told is written into it, and the other program agrees."""
    document = random_case(seed)
    document["policy"] |= {k: v for k, v in IMPOSSIBLE[name].items() if k != "targets"}
    if "targets" in IMPOSSIBLE[name]:
        document["policy"]["capacity_targets_eflops"] = IMPOSSIBLE[name]["targets"]
    case = Case.model_validate(document)
    possible = reference(document, 1e-3)[0] == "optimal"
    try:
        make_plan(case, limits=Limits(seconds=60, gap=0.05))
    except InfeasibleError as error:
        assert not possible
        problems = tuple(error.faults)
    else:
        assert possible
        return
    together = copy.deepcopy(document)
    for problem in problems:
        value = told_value(problem.allowed)
        together = written(together, problem.where, value)
        if "this alone" in problem.remedy:
            assert reference(written(document, problem.where, value), 1e-3)[0] == "optimal", str(problem)
        for language in LANGUAGES:

            def check(text: str, problem: Fault = problem, language: str = language) -> None:
                changed(text, problem, document, case, language)

            own = problem.told(language)
            text = f"{own.found}\n{own.allowed}"
            check(text)
            assert caught(check, text) == [], text
    if any("together" in p.remedy for p in problems):
        assert reference(together, 1e-3)[0] == "optimal"


def told_value(allowed: str) -> Any:
    return json.loads(re.search(r"(?:write|写入) (.*)$", allowed)[1])  # type: ignore[index]


def changed(text: str, problem: Fault, document: dict[str, Any], case: Case, language: str) -> None:
    """The number that stands, the one to write, and the difference."""
    found, allowed = text.split("\n")
    field = next(f for f in limit_fields(case) if f.pointer == problem.where)
    what = named(case, field, wording(language))
    new = told_value(problem.allowed)
    if told_value(allowed) != new:
        raise UntracedError("another number to write")
    if not found.startswith(what):
        raise UntracedError(f"{found} is not about {what}")
    before = at(document, problem.where)
    T = case.horizon.periods
    pairs = list(zip(*(v if isinstance(v, list) else [v] * T for v in (before, new)), strict=True))
    scale = 100.0 if field.unit == "share" else 1.0
    labels = "|".join(case.horizon.period_label(t) for t in range(T))

    def numbers(part: str) -> list[float]:
        return [number(n) for n in NUMBER.findall(re.sub(labels, "", part))]

    def traced(shown: list[float], right: set[float]) -> None:
        for one in shown:
            if not any(abs(one - r) <= 1e-4 * max(abs(r), 1e-9) for r in right):
                raise UntracedError(f"{one} is none of {right}")

    traced(numbers(found.removeprefix(what)), {scale * b for b, _ in pairs})
    steps = {scale * abs(a - b) for b, a in pairs}
    head = re.split(r"; write|；写入", allowed)[0]
    for part in re.findall(r"[(（][^()（）]*[)）]", head):
        traced(numbers(part), steps)
        head = head.replace(part, "")
    traced(numbers(head), {scale * a for _, a in pairs})
    for label in re.findall(r"\d{4}Q\d", found + allowed):
        if not re.fullmatch(labels, label):
            raise UntracedError(f"no period {label}")


# ---- the examples
@cache
def example(name: str) -> Plan:
    """tiny as `tideplan plan` makes it; national as `tideplan demo`: by hub, for one future, within two minutes."""
    from api.cli.plans import example_case
    from api.work.bundled import example_history
    from api.work.intake import outlook_for
    from forecasts.history import read_history
    from planner.case.grouping import grouped_by_hub

    case = example_case(name, 0.8 if name == "national" else None)
    case = grouped_by_hub(case)[0] if name == "national" else case
    with TemporaryDirectory() as folder:
        history = read_history(example_history(name, Path(folder)))[0]
    outlook, _ = outlook_for(case, history)
    return make_plan(case, outlook=outlook, limits=Limits(seconds=120, gap=0.01))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["tiny", "national"])
def test_every_number_of_an_example_is_traced_and_none_may_be_another(name: str, language: str) -> None:
    plan = example(name)
    for text, check in everything(plan, Ledger(plan, language)):
        check(text)
        assert caught(check, text) == [], text


@pytest.mark.slow
def test_what_a_unit_more_is_worth_on_tiny_is_what_planning_it_again_saves() -> None:
    """A megawatt more where modules are ordered, a module more of their type: planned again through the case format."""
    plan = example("tiny")
    prices = shadow_prices(plan, seconds=120)
    assert prices.way == "whole"
    assert prices.untried == 0
    near = Limits(seconds=120, gap=5e-5)
    base = plan_demand(plan.case, plan.demand, limits=near)[0].certificate
    order = plan.tables["orders"].iloc[0]
    site = [s.id for s in plan.case.sites].index(order["site"])
    kind = [k.id for k in plan.case.module_types].index(order["module_type"])
    for pointer in (f"/sites/{site}/power_mw", f"/module_types/{kind}/supply"):
        field = next(f for f in limit_fields(plan.case) if f.pointer == pointer)
        more = written(dump_case(plan.case), pointer, field.written(field.moved(1.0, 0)))
        found = plan_demand(case_from(more), plan.demand, limits=near)[0].certificate
        told = prices.rows[prices.rows["pointer"] == pointer]
        # what is saved for certain is told, and what is told can be saved
        assert base["bound"] - found["objective"] <= max([prices.least, *told["most"]])
        if len(told):
            assert base["objective"] - found["bound"] >= told["least"].max()


def test_what_catches_an_altered_number_lets_the_right_one_pass() -> None:
    """The audit's own tools: rounding to the shown figure, to the side of a promise, units in both languages."""
    same("12.3", 12.345)
    same("1,234,568", 1234567.8)
    same_money("13.1 M CNY", 13_051_000, "CNY")
    same_money("1305万元", 13_051_000, "CNY", figures=4)
    same_percent("84.4 %", 0.84351)
    same("1.09", 1.0999, rounded="down")
    for wrong in (
        lambda: same("12.4", 12.345),
        lambda: same("1.1", 1.0999, rounded="down"),
        lambda: same_money("13.1 k CNY", 13_051_000, "CNY"),
        lambda: same_money("13.1 M USD", 13_051_000, "CNY"),
        lambda: same_percent("84.5 %", 0.84351),
    ):
        with pytest.raises(UntracedError):
            wrong()
    assert list(altered("a 19 b 5")) == ["a 12 b 5", "a 19 b 8"]
