"""What large programs are searched with: merged values first, slope scaling, parts of a plan, prices that rule out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.cases import make_case
from planner.demand.horizon import given_demand
from planner.program.blocks import Arrays, BlockKey, Program, flatten
from planner.program.build import build_program
from planner.solve import Limits, solve_lp
from planner.solve.benders import route, start
from planner.solve.benders.bounds import priced_out
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator, Lanes, Mixed
from planner.solve.benders.first_plans import FirstPlans
from planner.solve.benders.fix_and_solve import holding
from planner.solve.benders.large_neighbourhood import LargeNeighbourhood
from planner.solve.benders.master import CutMaster
from planner.solve.benders.merged import MergedSearch
from planner.solve.benders.relaxation import Rounds, relax, stand_in_start
from planner.solve.benders.search import Search
from planner.solve.benders.start import _dearest
from planner.solve.benders.subproblem import BlockGroup
from planner.solve.control import Control
from planner.solve.native import Settings, run
from planner.solve.tuning import TUNING


@pytest.fixture(scope="module")
def small() -> Callable[[int | None], Program]:
    case = make_case("S", 1)
    demand = given_demand(case)
    return lambda steps: build_program(case, demand, merge_steps=steps)


@pytest.fixture(scope="module")
def search(small: Callable[[int | None], Program]) -> Iterator[Search]:
    """A search that has the relaxation on six steps and no plan yet; blocks are evaluated in this process."""
    program = small(None)
    control = Control(Limits(seconds=60.0))
    with ThreadPoolExecutor(1) as pool:
        lanes = Lanes(1, pool)
        master = CutMaster(program, CutPool(len(program.blocks), program.master.columns))
        exact = Evaluator(program, lanes, control)
        cheap = Mixed(Evaluator(small(6), lanes, control), exact, [])
        begun = solve_lp(flatten(small(1))).x[: program.master.columns]
        rough = relax(master, cheap, control, begun, Rounds("test", 1e-3, 30, is_exact=False))
        search = Search(program, master, exact, control, rough, cheap=cheap)
        yield search
        search.close()


def whole_plans(search: Search, count: int) -> list[np.ndarray]:
    """Plans in whole numbers from random prices of orders."""
    rng = np.random.default_rng(7)
    out = []
    for _ in range(count):
        model = search.whole_numbers(search.master.model())
        model.cost[search.names.orders] *= rng.uniform(0.3, 1.6, len(search.names.orders))
        outcome = run(model.arrays(), Settings("highs", seconds=10.0, gap=0.05))
        assert outcome.x is not None
        plan = search.rounded(outcome.x[: search.columns])
        assert plan is not None
        out.append(plan)
    return out


def test_merged_values_bound_the_cost_of_every_plan_from_below(search: Search) -> None:
    below = 0
    for plan in whole_plans(search, 4):
        low, exact = search.value(plan)[0], search.exact(plan)[0]
        assert low <= exact * (1 + 1e-7)
        below += low < exact * (1 - 1e-5)
        # once its cuts are known, the bound is as high as the truth
        assert search.value(plan)[0] == pytest.approx(exact, rel=1e-6)
    assert below > 0


def test_a_plan_too_dear_on_merged_steps_is_not_evaluated_exactly(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = sorted(whole_plans(search, 4), key=lambda plan: search.exact(plan)[0])
    search.offer(first)
    best = search.control.objective

    def evaluated(*_: object, **__: object) -> None:
        raise AssertionError("a plan was evaluated exactly")

    monkeypatch.setattr(search.evaluator, "evaluate", evaluated)
    for plan in others:
        cost, exact = search.judged(plan, 0.0)
        assert cost >= best * (1 - 1e-6)
        assert not exact
    assert search.control.objective == best


def test_the_first_pattern_is_the_better_of_two_readings_of_the_relaxation(search: Search) -> None:
    names = search.names

    def held(point: np.ndarray) -> float:
        outcome = search.master.linear(60.0, holding(search, point))
        return outcome.objective if outcome.x is not None else np.inf

    earnest = search.state.relaxed.x.copy()
    earnest[names.on] = earnest[names.orders] >= 0.5 * names.least
    chosen = FirstPlans(search).earnest()
    # cuts were added on the way: both are read on the same master now
    assert held(chosen) <= held(earnest) * (1 + 1e-6)
    assert set(np.unique(chosen[names.on])) <= {0.0, 1.0}


def test_slope_scaling_leaves_out_orders_that_do_not_bear_their_charge(search: Search) -> None:
    names, points = search.names, FirstPlans(search).sloped()
    assert points
    relaxed = int((search.state.relaxed.x[names.orders] > 1e-6).sum())
    assert int(points[-1][names.on].sum()) < relaxed


@pytest.mark.parametrize("kind", ["periods", "sites", "type"])
def test_a_part_is_what_its_name_says(search: Search, kind: str) -> None:
    parts = LargeNeighbourhood(search)
    seen = {"periods": parts._period, "sites": parts._site, "type": parts._type}[kind]
    for _ in range(5):
        free = parts._part(kind)
        inside = np.unique(seen[free])
        assert free.any()
        assert not free.all()
        if kind == "type":
            assert len(inside) == 1
        else:  # all of these periods or sites and nothing else
            assert np.array_equal(free, np.isin(seen, inside))


def test_plans_of_large_blocks_agree_with_one_piece(
    small: Callable[[int | None], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that large programs take, on a small one: same optimum, and the bound below it."""
    program = small(None)
    monkeypatch.setattr(start, "TUNING", replace(TUNING, merged_block_columns=1, faithful=-1.0))
    limits = Limits(seconds=60.0, gap=2e-3)
    control = Control(limits)
    seen: list[int] = []
    begin = Evaluator.begin

    def counted(self: Evaluator, *args: object, **more: object) -> object:
        seen.append(len(self.blocks[0].cost))
        return begin(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "begin", counted)
    with ThreadPoolExecutor(1) as pool:
        control.limits = replace(limits, executor=pool, threads=1)
        route.decompose(program, control, coarse=lambda steps, mean_day=False: small(steps))
    reference = run(flatten(program), Settings("highs", seconds=20.0, gap=5e-3))
    assert control.gap <= limits.gap
    assert control.bound <= reference.objective * (1 + 1e-6)
    assert reference.bound <= control.objective * (1 + 1e-6)
    exact = len(program.blocks[0].cost)
    assert 0 < seen.count(exact) < len(seen)


@pytest.mark.parametrize("lost", [0, 2])
def test_one_day_of_one_future_gives_all_their_first_cuts(lost: int) -> None:
    """lost: sites whose loss has blocks of its own, each with its own cost."""
    case = make_case("S", 1)
    demand = given_demand(case)
    factor = np.array([0.8, 0.95, 1.3])
    three = replace(
        demand,
        probability=np.full(3, 1 / 3),
        values=np.concatenate([demand.values * f for f in factor]),
    )
    one_day, merged = build_program(case, three.mean_day(), merge_steps=1), build_program(case, three, merge_steps=1)

    def with_losses(program: Program) -> Program:
        first = [b for b in program.blocks if b.key.day == 0]
        more = (replace(b, key=BlockKey("outage", b.key.future, b.key.period, n)) for n in range(lost) for b in first)
        return replace(program, blocks=(*program.blocks, *more))

    one_day, merged = with_losses(one_day), with_losses(merged)
    pool = CutPool(len(merged.blocks), merged.master.columns)
    control = Control(Limits())
    x = stand_in_start(one_day, merged, pool, control)
    assert x is not None
    assert control.bound == -np.inf  # a stand-in bounds nothing
    losses = [i for i, b in enumerate(merged.blocks) if b.key.kind == "outage"]
    assert np.all(pool.lower(x)[losses] > 0)
    assert set(pool.owner.tolist()) == set(range(len(merged.blocks)))
    master = CutMaster(merged, pool)
    assert master.holds(x, 1e-6)
    whole = solve_lp(flatten(merged)).objective
    outcome = master.linear(30.0)
    assert 0.5 * whole <= outcome.objective <= whole * (1 + 1e-6)
    truth = BlockGroup(list(enumerate(merged.blocks))).evaluate(x, range(len(merged.blocks)))
    assert np.all(pool.lower(x) <= [v.value + 1e-6 for v in truth])


def test_a_few_exact_blocks_among_merged_ones(small: Callable[[int | None], Program]) -> None:
    program = small(None)
    x = solve_lp(flatten(small(1))).x[: program.master.columns]
    with ThreadPoolExecutor(1) as pool:
        lanes, control = Lanes(1, pool), Control(Limits())
        exact, six = Evaluator(program, lanes, control), Evaluator(small(6), lanes, control)
        truth, merged = exact.evaluate(x).values, six.evaluate(x).values
        few = [0, 5]
        mixed = Mixed(six, exact, few).evaluate(x)
        rest = np.setdiff1d(np.arange(len(truth)), few)
        assert mixed.values[few] == pytest.approx(truth[few], rel=1e-7)
        assert mixed.values[rest] == pytest.approx(merged[rest], rel=1e-7)
        assert np.any(merged[few] < truth[few] * (1 - 1e-4))
        assert sorted(cut.index for cut in mixed.cuts) == list(range(len(truth)))
        part = Mixed(six, exact, few).evaluate(x, [5, 6])
        assert np.flatnonzero(~np.isnan(part.values)).tolist() == [5, 6]


def test_exact_cuts_in_the_merged_program_tell_the_truth_where_they_were_made(
    search: Search, small: Callable[[int | None], Program]
) -> None:
    merged = small(1)
    start = solve_lp(flatten(merged)).x[: search.columns]
    plan = whole_plans(search, 1)[0]
    cost = search.exact(plan)[0]
    search.exact(start)
    beside = MergedSearch(merged, search, search.control, start)
    beside.abandon()
    beside._points = [start, plan]

    def held(arrays: Arrays) -> float:
        lower, upper = arrays.lower.copy(), arrays.upper.copy()
        lower[: search.columns] = upper[: search.columns] = plan
        return solve_lp(replace(arrays, lower=lower, upper=upper)).objective

    known = beside._with_exact_cuts()
    assert held(beside.arrays) < cost * (1 - 1e-4)
    assert held(known) == pytest.approx(cost, rel=1e-6)
    flat, better = solve_lp(beside.arrays).objective, solve_lp(known).objective
    truth = solve_lp(flatten(search.program)).objective
    assert flat < better <= truth * (1 + 1e-7)


def test_cuts_of_many_futures_are_added_up_where_whole_numbers_are_looked_for(
    make_program: Callable[..., Program],
) -> None:
    program = make_program(5, futures=5)
    with ThreadPoolExecutor(1) as pool:
        evaluator = Evaluator(program, Lanes(1, pool), Control(Limits()))
        master = CutMaster(program, CutPool(len(program.blocks), program.master.columns))
        points = [solve_lp(replace(program.master, cost=program.master.cost - k)).x for k in (0.0, 4.0, 15.0)]
        values = []
        for x in points:
            evaluation = evaluator.evaluate(x)
            evaluator.add_to(master.pool, evaluation)
            values.append(master.true_objective(x, evaluation.values)[0])
    summed, apart = master.near(points), master.model()
    days = {(b.key.period, b.key.day) for b in program.blocks}
    assert summed.matrix.shape[0] - program.master.rows <= len(points) * len(days)
    assert summed.linear(10.0).objective <= apart.linear(10.0).objective + 1e-6
    for x, value in zip(points, values, strict=True):  # exact where the cuts were made
        model = master.near(points)
        model.lower[: master.columns] = model.upper[: master.columns] = x
        assert model.linear(10.0).objective == pytest.approx(value, rel=1e-6)


def test_the_dearest_days_are_exact_in_all_their_futures(make_program: Callable[..., Program]) -> None:
    program = make_program(3, periods=4, days=2, futures=2)
    lower = np.array([float(b.key.period == 2 and b.key.day == 1) + 0.1 * b.key.future for b in program.blocks])
    chosen = _dearest(program, lower)
    assert {(program.blocks[i].key.period, program.blocks[i].key.day) for i in chosen} == {(2, 1)}
    assert len(chosen) == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_pricing_out_keeps_everything_up_to_the_best_plan(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = 4, 8
    matrix = rng.integers(0, 5, (rows, columns)).astype(float)
    need = matrix @ rng.integers(0, 4, columns).astype(float)
    arrays = Arrays(
        sp.csr_matrix(matrix),
        rng.uniform(0.5, 5.0, columns),
        np.zeros(columns),
        np.full(columns, 6.0),
        need,
        np.full(rows, np.inf),
        rng.random(columns) < 0.7,
    )
    best = run(arrays, Settings("highs", gap=0.0)).objective
    for room in (1.0, 1.05, 1.5):
        priced = priced_out(arrays, best * room)
        assert np.all(priced.lower >= arrays.lower)
        assert np.all(priced.upper <= arrays.upper)
        assert run(priced, Settings("highs", gap=0.0)).objective == pytest.approx(best, rel=1e-6)
    assert priced_out(arrays, np.inf) is arrays


def test_pricing_out_rules_out_what_is_too_dear() -> None:
    """x + y >= 1 at costs 1 and 10: with a plan of cost 5 known, y is at most (5 - 1) / 9, in whole numbers none."""
    arrays = Arrays(
        sp.csr_matrix(np.array([[1.0, 1.0]])),
        np.array([1.0, 10.0]),
        np.zeros(2),
        np.full(2, 3.0),
        np.array([1.0]),
        np.array([np.inf]),
        np.array([False, True]),
    )
    assert priced_out(arrays, 5.0).upper[1] == 0.0
    assert priced_out(replace(arrays, integer=np.zeros(2, bool)), 5.0).upper[1] == pytest.approx(4 / 9, rel=1e-4)
