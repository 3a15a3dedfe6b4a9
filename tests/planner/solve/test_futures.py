"""Several futures, each by itself: what that proves of all of them, and the plans that it makes."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.program.blocks import Program, flatten
from planner.program.build import build_program
from planner.program.tighten import tightened
from planner.solve import Limits, solve
from planner.solve.benders.evaluation import HaltedError
from planner.solve.benders.search import Search
from planner.solve.control import Control
from planner.solve.futures.apart import Apart
from planner.solve.futures.bound import Bound
from planner.solve.futures.side import Side
from planner.solve.futures.tree import Campaigns, Tree
from planner.solve.linear import attempts
from planner.solve.native import run
from planner.solve.probing import probed
from planner.solve.tuning import TUNING
from tests.planner.random.cases import random_case

Document = Callable[..., dict[str, Any]]
CVAR = {"objective": {"kind": "cvar", "alpha": 0.6, "weight": 0.5}}


def drawn(small: Document, seed: int) -> Case:
    """A random two-stage case: two or three futures, one or two campaigns, shared or late orders, mean or CVaR."""
    rng = np.random.default_rng(seed)
    document = small(
        campaigns=[
            {
                "id": f"c{i}",
                "names": "C",
                "earliest": int(rng.integers(0, 2)),
                "due": 2,
                "speed": {"a": 1, "b": float(rng.uniform(1.5, 3))},
                "gang_cards": int(rng.choice([1500, 3000, 6000])),
                "card_days": float(rng.uniform(1e5, 5e5)),
                "value": float(rng.choice([2e7, 4e8])),
            }
            for i in range(int(rng.integers(1, 3)))
        ],
        sites__0__power_mw=float(rng.uniform(3, 9)),
        module_types__1__supply=int(rng.integers(4, 40)),
        module_types__0__order_cost=float(rng.choice([0, 1e6])),
    )
    document["horizon"]["commit_periods"] = [None, 1, 2][int(rng.integers(0, 3))]
    document["risk"] = CVAR if rng.random() < 0.5 else {}
    base = document["demand"]["futures"][0]["series"]
    shares = rng.dirichlet(np.full(int(rng.integers(2, 4)), 3.0)).round(3)
    shares[-1] = 1 - shares[:-1].sum()
    document["demand"]["futures"] = []
    for f, share in enumerate(shares.tolist()):
        series = copy.deepcopy(base)
        for one in series:
            one["values"] = (np.array(one["values"]) * rng.uniform(0.4, 1.6)).tolist()
        document["demand"]["futures"].append({"id": f"f{f}", "probability": share, "series": series})
    return Case.model_validate(document)


def optimum(program: Program) -> tuple[float, float]:
    """Cost of the best plan and a bound of it by scipy's HiGHS, on the program written out."""
    a = flatten(program)
    found = milp(
        a.cost,
        constraints=LinearConstraint(a.matrix, a.row_lower, a.row_upper),
        integrality=a.integer.astype(int),
        bounds=Bounds(a.lower, a.upper),
        options={"mip_rel_gap": 1e-5, "time_limit": 90},
    )
    assert found.x is not None
    return float(found.fun), float(found.mip_dual_bound)


def without_whole(program: Program) -> Any:
    arrays = flatten(program)
    return replace(arrays, integer=np.zeros(arrays.columns, bool))


@pytest.mark.parametrize("seed", range(4))
def test_futures_by_themselves_never_say_more_than_the_best_plan_costs(seed: int, small: Document) -> None:
    case = drawn(small, seed)
    plain = build_program(case, given_demand(case), merge_steps=2)
    best, _ = optimum(plain)
    program = probed(tightened(plain))
    apart = Apart(program)
    bounds, relaxations = np.zeros(apart.count), np.zeros(apart.count)
    for f in range(apart.count):
        alone = apart.alone(program, f).program
        grown = Tree(without_whole(alone), Campaigns.of(alone)).grow(60.0, 0.0)
        relaxed = attempts(without_whole(alone), 60.0)
        assert grown.bound >= relaxed.objective - 1e-9 * abs(relaxed.objective)
        for leaf in grown.leaves:
            assert np.abs(leaf.x[Campaigns.of(alone).columns] - leaf.great).max(initial=0.0) < 1e-5
        bounds[f], relaxations[f] = grown.bound, relaxed.objective
    proven = apart.measure(bounds / apart.probability)
    assert proven <= best + 1e-6 * abs(best)
    assert apart.measure(relaxations / apart.probability) <= proven + 1e-9 * abs(proven)


@pytest.mark.parametrize("seed", range(4))
def test_prices_of_what_is_shared_prove_what_all_futures_together_do(seed: int, small: Document) -> None:
    """By linear duality; by whole campaigns they prove more, and never more than the best plan costs."""
    case = drawn(small, seed).model_copy(
        update={"risk": Case.model_fields["risk"].get_default(call_default_factory=True)}
    )
    plain = build_program(case, given_demand(case), merge_steps=2)
    best, _ = optimum(plain)
    program = tightened(plain)
    apart, joint = Apart(program), attempts(without_whole(program), 60.0)
    assert joint.duals is not None
    shares = apart.shares(program, joint.duals)
    np.testing.assert_allclose(shares.sum(axis=0), program.master.cost, rtol=1e-9, atol=1e-12)
    assert not shares[~apart.seen].any()
    relaxed = grown = apart_too = 0.0
    for f in range(apart.count):
        alone = apart.alone(program, f)
        arrays = without_whole(alone.program)
        cost = arrays.cost.copy()
        cost[: len(alone.columns)] = shares[f, alone.columns]
        priced = replace(arrays, cost=cost)
        apart_too += attempts(arrays, 60.0).objective
        relaxed += attempts(priced, 60.0).objective
        grown += Tree(priced, Campaigns.of(alone.program), arrays.cost).grow(60.0, 0.0).bound
    assert relaxed == pytest.approx(joint.objective, rel=1e-6)
    assert relaxed >= apart_too - 1e-6 * abs(apart_too)
    assert relaxed - 1e-6 * abs(relaxed) <= grown <= best + 1e-6 * abs(best)


def test_a_refined_leaf_bounds_whatever_keeps_to_what_was_branched_on() -> None:
    """Other campaigns than the relaxation's own may be left in a leaf, and cost less in whole numbers."""
    case = Case.model_validate({**random_case(68), "agreements": []})
    apart = Apart(tightened(build_program(case, given_demand(case), merge_steps=1)))
    here = SimpleNamespace(native=lambda arrays, settings, _control: run(arrays, settings))
    search = SimpleNamespace(state=SimpleNamespace(lock=threading.Lock()))
    refined = 0
    for f in range(apart.count):
        alone = apart.alone(apart.program, f)
        arrays = flatten(alone.program)
        grown = Tree(without_whole(alone.program), Campaigns.of(alone.program)).grow(60.0, 0.0)
        whole = apart.program.master.integer[apart.shared]
        side = Side(alone, arrays, arrays, Campaigns.of(alone.program), "", whole, grown)
        bound = Bound(search, Control(Limits()), apart, [side])  # type: ignore[arg-type]
        for leaf in grown.leaves:
            bound._refine(here, side, leaf)  # type: ignore[arg-type]
        bound.close()
        refined += side.bound > grown.bound * (1 + 1e-6)
        best, _ = optimum(alone.program)
        assert side.bound <= best + 1e-6 * abs(best)
    assert refined  # refining proves more than the tree


def test_a_future_alone_costs_what_it_costs_by_itself(small: Document) -> None:
    """The same future planned as a case of one future: the same optimum, times its probability."""
    case = drawn(small, 3)
    demand = given_demand(case)
    apart = Apart(build_program(case, demand, merge_steps=2))
    known = case.model_copy(update={"horizon": case.horizon.model_copy(update={"commit_periods": None})})
    for f in range(apart.count):
        single = build_program(known, demand.only([f]), merge_steps=2)
        alone = apart.alone(apart.program, f).program
        cost = attempts(without_whole(alone), 60.0).objective / apart.probability[f]
        assert cost == pytest.approx(attempts(without_whole(single), 60.0).objective, rel=1e-7)


def test_the_measure_of_costs_is_the_objective_s() -> None:
    apart = Apart.__new__(Apart)
    apart.probability, apart.count = np.array([0.1, 0.4, 0.4, 0.1]), 4
    costs, v, alpha = np.array([5.0, 1.0, 2.0, 9.0]), 0.5, 0.8
    master = SimpleNamespace(cost=v * apart.probability / (1 - alpha))
    whole = SimpleNamespace(
        risk=SimpleNamespace(mean_weight=1 - v),
        master=master,
        layout=SimpleNamespace(columns={"excess": np.arange(4)}),
    )
    apart.program = whole  # type: ignore[assignment]
    tail = (0.1 * 9 + 0.1 * 5) / 0.2
    assert apart.measure(costs) == pytest.approx((1 - v) * (apart.probability @ costs) + v * tail)
    whole.risk = None
    assert apart.measure(costs) == pytest.approx(apart.probability @ costs)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_route_ends_between_bound_and_optimum(seed: int, small: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.solve.futures.route.TUNING", replace(TUNING, start_columns=100))
    case = drawn(small, seed)
    demand = given_demand(case)
    program = probed(tightened(build_program(case, demand, merge_steps=3)))
    best, below = optimum(build_program(case, demand, merge_steps=3))

    def coarse(steps: int, mean_day: bool = False, loose: bool = False) -> Program:
        return program  # as coarse as it is: nothing is lost between merged and exact blocks

    found = solve(program, Limits(seconds=20, gap=0.01, route="benders"), coarse=coarse)
    assert any("future" in p.phase for p in found.trace)
    assert len(found.x)
    assert found.objective >= below - 1e-6 * abs(below)
    assert found.bound <= best + 1e-6 * abs(best)
    assert found.bound > 0.5 * best


@pytest.mark.parametrize("stopped", [False, True])
def test_a_first_plan_that_is_being_evaluated_is_not_cut_off_by_the_clock(
    stopped: bool, small: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit passes while the first plan is evaluated: it is waited for, unless somebody stops it by hand."""
    limit, stop, evaluated = 60.0, threading.Event(), Search.evaluated
    passed: list[float] = []

    def slow(self: Search, x: Any, evaluator: Any, columns: bool = False) -> Any:
        if columns and not passed:
            passed.append(self.control.seconds)
            self.control._began -= limit
            if stopped:
                stop.set()
            for _ in range(10):
                time.sleep(0.1)
                if self.control.halted:
                    raise HaltedError
        return evaluated(self, x, evaluator, columns)

    monkeypatch.setattr(Search, "evaluated", slow)
    case = drawn(small, 1)
    program = tightened(build_program(case, given_demand(case)))
    found = solve(program, Limits(seconds=limit, gap=1e-6, route="benders"), stop=stop)
    assert passed
    assert (len(found.x) > 0) is not stopped
