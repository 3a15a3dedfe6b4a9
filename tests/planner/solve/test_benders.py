"""Decomposition: the same answers as in one piece, cuts that hold everywhere, every ending checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from planner.program.blocks import Program, RiskTerms, flatten
from planner.solve import Limits, solve, solve_lp
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator, Lanes
from planner.solve.benders.master import CutMaster, MasterModel
from planner.solve.benders.relaxation import Rounds, relax
from planner.solve.benders.subproblem import BlockFailureError, BlockGroup, cut_from_duals
from planner.solve.control import Control


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Blocks evaluated in this process: no start-up time."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def linear(program: Program) -> Program:
    return replace(program, master=replace(program.master, integer=np.zeros_like(program.master.integer)))


def fixed_block_cost(program: Program, index: int, x: np.ndarray) -> float:
    """The block's optimum at x from its own linear program, by the other code path."""
    block = program.blocks[index]
    lone = replace(program, blocks=(block,))
    arrays = flatten(lone)
    lower, upper, cost = arrays.lower.copy(), arrays.upper.copy(), arrays.cost.copy()
    lower[: len(x)] = upper[: len(x)] = x
    cost[: len(x)] = 0.0
    return solve_lp(replace(arrays, lower=lower, upper=upper, cost=cost)).objective


def feasible_points(program: Program, count: int) -> list[np.ndarray]:
    """Master points from random prices, so that they satisfy the master's rows."""
    rng = np.random.default_rng(5)
    out = []
    for _ in range(count):
        cost = program.master.cost + rng.uniform(-20, 5, program.master.columns)
        out.append(solve_lp(replace(program.master, cost=cost)).x)
    return out


def test_cuts_touch_where_they_are_made_and_hold_everywhere(make_program: Callable[..., Program]) -> None:
    program = make_program(3)
    points = feasible_points(program, 6)
    group = BlockGroup(list(enumerate(program.blocks)))
    cuts = [value for x in points for value in group.evaluate(x, range(len(program.blocks)))]
    for at, x in enumerate(points):
        truth = [fixed_block_cost(program, i, x) for i in range(len(program.blocks))]
        for number, cut in enumerate(cuts):
            says = cut.constant + cut.slope @ x[cut.columns]
            assert says <= truth[cut.index] + 1e-6
            if number // len(program.blocks) == at:
                assert says == pytest.approx(truth[cut.index], abs=1e-6)
                assert cut.value == pytest.approx(truth[cut.index], abs=1e-6)


def test_futures_share_a_solver_though_their_bounds_differ(make_program: Callable[..., Program]) -> None:
    """What may be left open of a day's work depends on demand, and so on the future."""
    program = make_program(3, futures=3)
    rng = np.random.default_rng(2)
    blocks = tuple(
        replace(block, upper=np.where(block.cost < 0.9, rng.uniform(1.0, 6.0), block.upper)) for block in program.blocks
    )
    program = replace(program, blocks=blocks)
    assert len({block.upper.tobytes() for block in blocks}) == len(blocks)
    group = BlockGroup(list(enumerate(blocks)))
    for x in feasible_points(program, 4):
        for value in group.evaluate(x, range(len(blocks))):
            assert value.value == pytest.approx(fixed_block_cost(program, value.index, x), abs=1e-6)
    assert len(group._solver) * 3 <= len(blocks)


def test_prices_of_one_future_give_the_others_cuts_that_hold(make_program: Callable[..., Program]) -> None:
    program = make_program(3, futures=4)
    group = BlockGroup(list(enumerate(program.blocks)))
    known = [i for i, b in enumerate(program.blocks) if b.key.future == 1]
    others = [i for i, b in enumerate(program.blocks) if b.key.future != 1]
    points = feasible_points(program, 4)
    given, close = set(), 0
    for x in points:
        for cut in group.evaluate(x, known, siblings=others):
            if cut.index in known:
                continue
            assert np.isnan(cut.value)
            given.add(cut.index)
            for other in points:
                truth = fixed_block_cost(program, cut.index, other)
                assert cut.constant + cut.slope @ other[cut.columns] <= truth + 1e-6
            here = fixed_block_cost(program, cut.index, x)
            close += cut.constant + cut.slope @ x[cut.columns] >= 0.8 * here
    assert given == set(others)
    assert close > len(others)


def test_of_many_futures_a_few_are_evaluated_in_turn(
    make_program: Callable[..., Program], threads: ThreadPoolExecutor
) -> None:
    program = make_program(3, futures=7)
    evaluator = Evaluator(program, Lanes(1, threads), Control(Limits()))
    x = feasible_points(program, 1)[0]
    truth = evaluator.evaluate(x).values
    seen: set[int] = set()
    for _ in range(12):
        some = evaluator.evaluate(x, sample=True)
        known = np.flatnonzero(~np.isnan(some.values))
        assert len(known) * 7 == 3 * len(program.blocks)
        assert some.values[known] == pytest.approx(truth[known], abs=1e-6)
        assert {cut.index for cut in some.cuts} == set(range(len(program.blocks)))
        seen |= set(known.tolist())
    assert seen == set(range(len(program.blocks)))


def test_a_relaxation_on_sampled_futures_is_that_of_all(
    make_program: Callable[..., Program], threads: ThreadPoolExecutor
) -> None:
    program = linear(make_program(11, futures=6))
    control = Control(Limits(seconds=30, gap=0.0))
    master = CutMaster(program, CutPool(len(program.blocks), program.master.columns))
    evaluator = Evaluator(program, Lanes(1, threads), control)
    truth = solve_lp(flatten(program)).objective
    start = feasible_points(program, 1)[0]
    relaxed = relax(master, evaluator, control, start, Rounds("", 1e-6, 200, is_exact=True))
    assert relaxed.bound <= truth + 1e-6 * abs(truth)
    assert relaxed.bound == pytest.approx(truth, rel=1e-3)
    # an estimate is never told as what the relaxation is worth
    assert all(value >= truth * (1 - 1e-6) for _, value, _ in control.relaxation)


def test_a_master_begun_from_its_last_basis_ends_where_one_from_nothing_does(
    make_program: Callable[..., Program], threads: ThreadPoolExecutor
) -> None:
    program = make_program(12, periods=4)
    master = CutMaster(program, CutPool(len(program.blocks), program.master.columns))
    evaluator = Evaluator(program, Lanes(1, threads), Control(Limits()))
    for x in feasible_points(program, 8):
        evaluator.add_to(master.pool, evaluator.evaluate(x))
        warm = master.linear(10.0)
        cold = master.model().linear(10.0)
        assert warm.objective == pytest.approx(cold.objective, rel=1e-7)
        held = np.round(warm.x[: master.columns]) if warm.x is not None else x

        def edit(model: MasterModel, held: np.ndarray = held) -> None:
            on = program.layout.columns["order_on"].ravel()
            model.upper[on] = np.maximum(held[on], model.lower[on])

        model = master.model()
        edit(model)
        assert master.linear(10.0, edit).objective == pytest.approx(model.linear(10.0).objective, rel=1e-7)


def test_any_prices_give_a_bound_or_none_at_all(make_program: Callable[..., Program]) -> None:
    program = make_program(4)
    block = program.blocks[2]
    rng = np.random.default_rng(1)
    proven = 0
    for x in feasible_points(program, 3):
        truth = fixed_block_cost(program, 2, x)
        for _ in range(20):
            cut = cut_from_duals(block, rng.normal(0, 1, len(block.row_lower)))
            if cut is not None:
                constant, columns, slope = cut
                assert constant + slope @ x[columns] <= truth + 1e-6
                proven += 1
    exact = solve_lp(flatten(linear(program)))
    first = program.master.rows + 2 * len(block.row_lower)
    cut = cut_from_duals(block, exact.duals[first : first + len(block.row_lower)])
    assert cut is not None


def test_a_block_without_an_answer_is_an_error_not_a_bound(make_program: Callable[..., Program]) -> None:
    program = make_program(5)
    block = program.blocks[0]
    impossible = replace(block, upper=np.zeros_like(block.upper))
    with pytest.raises(BlockFailureError, match="infeasible"):
        BlockGroup([(0, impossible)]).evaluate(np.zeros(program.master.columns), [0])


@pytest.mark.parametrize("futures", [1, 3])
def test_relaxation_equals_the_linear_program(
    make_program: Callable[..., Program], threads: ThreadPoolExecutor, futures: int
) -> None:
    program = linear(make_program(6, futures=futures))
    truth = solve_lp(flatten(program)).objective
    answer = solve(program, Limits(seconds=120, gap=1e-7, route="benders", executor=threads))
    assert answer.bound <= truth + 1e-6 * abs(truth)
    assert answer.objective == pytest.approx(truth, rel=2e-6)
    flat = np.concatenate([answer.x, *answer.blocks])
    arrays = flatten(program)
    assert arrays.cost @ flat == pytest.approx(answer.objective, rel=1e-6)
    assert np.all(arrays.matrix @ flat >= arrays.row_lower - 1e-5)
    assert np.all(arrays.matrix @ flat <= arrays.row_upper + 1e-5)


def with_cvar(program: Program, alpha: float, weight: float) -> Program:
    """Add threshold and excess columns and epigraph rows by hand: (1 - w) mean + w CVaR_alpha of the blocks' costs."""
    import scipy.sparse as sp

    master = program.master
    futures = 1 + max(b.key.future for b in program.blocks)
    n = master.columns
    probability = np.full(futures, 1 / futures)
    extra = sp.hstack([sp.csr_matrix(np.ones((futures, 1))), sp.identity(futures)])
    matrix = sp.bmat([[master.matrix, None], [None, extra]]).tocsr()
    new = replace(
        master,
        matrix=matrix,
        cost=np.r_[master.cost, weight, weight / (1 - alpha) * probability],
        lower=np.r_[master.lower, -1e6, np.zeros(futures)],
        upper=np.r_[master.upper, 1e6, np.full(futures, np.inf)],
        row_lower=np.r_[master.row_lower, np.zeros(futures)],
        row_upper=np.r_[master.row_upper, np.full(futures, np.inf)],
        integer=np.r_[master.integer, np.zeros(futures + 1, bool)],
    )
    blocks = tuple(
        replace(
            b,
            coupling=sp.csr_matrix(
                (b.coupling.data, b.coupling.indices, b.coupling.indptr), shape=(b.coupling.shape[0], n + futures + 1)
            ),
        )
        for b in program.blocks
    )
    risk = RiskTerms(master.rows + np.arange(futures), 1 - weight, probability)
    return replace(program, master=new, blocks=blocks, risk=risk)


def test_cvar_equals_one_piece(make_program: Callable[..., Program], threads: ThreadPoolExecutor) -> None:
    program = linear(with_cvar(make_program(8, futures=4), 0.6, 0.5))
    truth = solve_lp(flatten(program)).objective
    answer = solve(program, Limits(seconds=120, gap=1e-6, route="benders", executor=threads))
    assert answer.bound <= truth + 1e-6 * abs(truth)
    assert answer.objective == pytest.approx(truth, rel=1e-5)


def test_whole_numbers_agree_with_one_piece(make_program: Callable[..., Program]) -> None:
    program = make_program(9, futures=2)
    one = solve(program, Limits(seconds=20, gap=1e-6, route="one_piece"))
    two = solve(program, Limits(seconds=120, gap=2e-3, route="benders"))
    assert two.bound <= one.objective + 1e-6
    assert one.bound <= two.objective + 1e-6
    assert two.gap <= 2e-3
    assert two.warm is not None
    assert two.warm.cuts is not None
    # a changed master keeps the cuts: starting from them, the relaxation needs no new point
    dearer = replace(program, master=replace(program.master, cost=program.master.cost * 1.01))
    again = solve(dearer, Limits(seconds=120, gap=4e-3, route="benders"), start=two.warm)
    assert again.gap <= 4e-3
    assert again.bound <= again.objective


def test_cuts_of_changed_blocks_are_dropped(make_program: Callable[..., Program], threads: ThreadPoolExecutor) -> None:
    from planner.solve.benders.route import keep, still_valid

    program = make_program(10)
    control = Control(Limits())
    pool = CutPool(len(program.blocks), program.master.columns)
    evaluator = Evaluator(program, Lanes(1, threads), control)
    x = feasible_points(program, 1)[0]
    evaluator.add_to(pool, evaluator.evaluate(x))
    store = keep(program, pool, [x])
    same = still_valid(program, store)
    assert same is not None
    assert len(same[0]) == len(program.blocks)
    first = replace(program.blocks[0], row_lower=program.blocks[0].row_lower + 0.5)
    changed = still_valid(replace(program, blocks=(first, *program.blocks[1:])), store)
    assert changed is not None
    assert sorted(set(changed[0])) == list(range(1, len(program.blocks)))


def test_an_infeasible_master_is_told(make_program: Callable[..., Program]) -> None:
    program = make_program(1)
    lower, upper = program.master.lower.copy(), program.master.upper.copy()
    lower[program.layout.columns["orders"].ravel()] = 1.0
    upper[program.layout.columns["order_on"].ravel()] = 0.0
    broken = replace(program, master=replace(program.master, lower=lower, upper=upper))
    assert solve(broken, Limits(seconds=60, route="benders")).status == "infeasible"


def test_bounds_of_the_relaxation_never_pass_its_value(
    make_program: Callable[..., Program], threads: ThreadPoolExecutor
) -> None:
    program = linear(make_program(11, periods=4))
    control = Control(Limits(seconds=20, gap=0.0))
    pool = CutPool(len(program.blocks), program.master.columns)
    master = CutMaster(program, pool)
    evaluator = Evaluator(program, Lanes(1, threads), control)
    truth = solve_lp(flatten(program)).objective
    relax(master, evaluator, control, feasible_points(program, 1)[0], Rounds("", 1e-6, 60, is_exact=True))
    for _, value, bound in control.relaxation:
        assert bound <= truth + 1e-6 * abs(truth)
        assert value >= truth - 1e-6 * abs(truth)
    assert control.relaxation[-1][1] == pytest.approx(control.relaxation[-1][2], rel=1e-5)
