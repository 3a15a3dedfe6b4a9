"""The audit of comparisons: verdict, values of information, overview, charts of small random ones, in both languages.

Each number is worked out again from what scenarios cost in every future; then it is altered, and must be caught.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from api.cli.plans import example_case
from api.work.bundled import example_history
from api.work.intake import outlook_for
from forecasts.history import read_history
from planner.case import Case
from planner.compare.comparison import Comparing, Comparison, compare
from planner.demand.horizon import given_demand
from planner.report.comparison import comparison_content
from planner.scenarios import scenarios_from, standard_scenarios
from planner.solve import Limits
from planner.words.wording import LANGUAGES, wording
from tests.planner.audit.comparison import ComparisonBook
from tests.planner.audit.reading import caught
from tests.planner.random.cases import random_case
from tests.planner.random.reference import reference

RULES = (
    {"kind": "just_in_time"}, {"kind": "ratio", "ratio": 1.3}, {"kind": "quantile", "q": 0.9}, {"kind": "stochastic"},
    {"kind": "wait_and_see"},
)  # fmt: skip
# seed, futures drawn to judge on (0: those planned for)
FAST = ((6, 0), (6, 1))
SLOW = ((4, 6), *((seed, (0, 1, 6)[seed % 3]) for seed in range(13) if seed != 6))
CASES = [*FAST, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)]


def with_futures(seed: int, count: int, draw: int) -> dict[str, Any]:
    """A random case in so many futures: one and the same course, larger and smaller, each workload by itself."""
    document = random_case(seed)
    rng = np.random.default_rng([seed, draw])
    first = document["demand"]["futures"][0]
    share = rng.dirichlet(np.full(count, 8.0))
    futures = []
    for f in range(count):
        series = copy.deepcopy(first["series"])
        by = {one["workload"]: float(rng.uniform(0.4, 1.6)) for one in series}
        for one in series:
            one["values"] = (np.array(one["values"]) * by[one["workload"]]).round(3).tolist()
        futures.append({"id": str(f), "probability": float(share[f]), "series": series})
    futures[-1]["probability"] = 1.0 - sum(float(one["probability"]) for one in futures[:-1])
    document["demand"]["futures"] = futures
    document.pop("risk", None)  # rules bring their own
    return document


@cache
def compared(seed: int, drawn: int) -> tuple[dict[str, Any], Comparison]:
    """The comparison of a random case in three futures."""
    document = with_futures(seed, 3, 0)
    case = Case.model_validate(document)
    scenarios = scenarios_from(
        [
            {"id": f"{k['kind']}", "names": {"en": f"rule {k['kind']}", "zh": f"规则{k['kind']}"}, "rule": dict(k)}
            for k in RULES
        ]
    )
    judged = given_demand(Case.model_validate(with_futures(seed, drawn, 1))) if drawn else None
    with ThreadPoolExecutor(1) as pool:
        how = Comparing(Limits(seconds=30, gap=1e-4, threads=1), evaluation_futures=judged, executor=pool, steps=None)
        return document, compare(case, None, scenarios, how)


@pytest.mark.parametrize(("seed", "drawn"), CASES)
def test_every_number_of_a_comparison_is_traced_and_none_may_be_another(seed: int, drawn: int) -> None:
    document, found = compared(seed, drawn)
    case = Case.model_validate(document)
    periods = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    for language in LANGUAGES:
        told = comparison_content(found, periods, wording(language))
        book = ComparisonBook(found, told, language, periods=periods, planned_for=3)
        for text, check in book.everything():
            check(text)
            assert caught(check, text) == [], text


@pytest.mark.parametrize("seed", [6, *(pytest.param(s, marks=pytest.mark.slow) for s in range(13) if s != 6)])
def test_what_knowing_the_future_is_worth_holds_what_another_program_says(seed: int) -> None:
    """Every future by itself and all together, solved by the program written from docs/model.md alone."""
    document, found = compared(seed, 0)
    rows = found.tables["value_of_information"].set_index("measure")
    if "evpi" not in rows.index:
        pytest.skip("a case without a stochastic plan")
    together = reference(document, 1e-6)[1]
    alone = 0.0
    for one in document["demand"]["futures"]:
        single = copy.deepcopy(document)
        single["demand"]["futures"] = [{**one, "probability": 1.0}]
        alone += one["probability"] * reference(single, 1e-6)[1]
    slack = 2e-5 * abs(together)
    assert rows.loc["evpi", "low"] - slack <= together - alone <= rows.loc["evpi", "high"] + slack


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_of_the_comparison_of_an_example_is_traced(language: str) -> None:
    """tiny under the standard rules, judged on futures drawn apart."""
    found, periods, planned_for = example_compared()
    told = comparison_content(found, periods, wording(language))
    book = ComparisonBook(found, told, language, periods=periods, planned_for=planned_for)
    for text, check in book.everything():
        check(text)
        assert caught(check, text) == [], text


@cache
def example_compared() -> tuple[Comparison, list[str], int]:
    """Comparison of tiny, labels of its periods, and how many futures its plans are made for."""
    with TemporaryDirectory() as folder:
        case = example_case("tiny", None)
        outlook, _ = outlook_for(case, read_history(example_history("tiny", Path(folder)))[0])
    how = Comparing(Limits(seconds=20, gap=0.02), evaluation_futures=8)
    found = compare(case, outlook, standard_scenarios(), how)
    periods = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    return found, periods, len(outlook.futures)
