"""The decomposition from start to end: merged steps, exact relaxation, integer search, plan."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from planner.program.blocks import BlockKey, FloatArray, IntArray, Program, flatten
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator, HaltedError, Lanes
from planner.solve.benders.master import CutMaster, MasterModel
from planner.solve.benders.merged import MergedSearch
from planner.solve.benders.relaxation import Relaxed, merged_start, relax
from planner.solve.benders.search import Effort, Search
from planner.solve.benders.subproblem import BlockFailureError
from planner.solve.control import Control
from planner.solve.linear import attempts
from planner.solve.one_piece import Ending
from planner.solve.progress import relative_gap
from planner.solve.solution import CutStore, WarmStart


class Coarse(Protocol):
    """Makes the program with its blocks' steps merged to at most `steps`; on a mean day: an estimate, no relaxation."""

    def __call__(self, steps: int, mean_day: bool = False) -> Program: ...


# The merged program is solved in one piece for a start while it has at most so many columns: 2 to 5 s of CPU.
START_COLUMNS = 25_000
START_STEPS = (6, 4, 3, 2, 1)
# On one step, too, up to so many columns; beyond, one future stands for all (ten futures of L: 0.8 million columns).
START_LIMIT = 150_000
# Merged steps are faithful when their optimum costs at most so much more in truth. Then they are solved in whole
# numbers in one piece: they know what cuts do not, what it costs to put orders and gangs together in one place.
FAITHFUL = 0.03
# Merged rounds pay where one exact round costs much more than one on merged steps.
MERGED_STEPS = 6
MERGED_BLOCK_COLUMNS = 20_000
# Gap of the relaxation at which the search for whole numbers starts: the cuts it adds also go on raising the bound.
RELAXATION_GAP = 0.002
# A plan must stand in the end: the search starts at the latest after this share of the time, or this much later than
# an early plan of large blocks.
RELAXATION_SHARE, RELAXATION_AFTER = 0.4, 0.15
# Cuts handed on for a later solve: those tight at the last points.
KEPT_POINTS = 12


def decompose(
    program: Program, control: Control, start: WarmStart | None = None, coarse: Coarse | None = None
) -> tuple[Ending, WarmStart | None]:
    """Plan and bound go to `control`; what a later solve may start from is returned.

    Raises BlockFailureError where a block has no value at a point that the master allows: the caller then takes
    another route.
    """
    lanes = Lanes(max(control.limits.threads, 1), control.limits.executor)
    pool = CutPool(len(program.blocks), program.master.columns)
    master = CutMaster(program, pool)
    exact = Evaluator(program, lanes, control)
    cheap: Evaluator | None = None
    if coarse is not None and _large(program):
        cheap = Evaluator(coarse(MERGED_STEPS), lanes, control)
    search: Search | None = None
    settled = False
    try:
        try:
            whole = bool(program.master.integer.any())
            rough, merged = _rough(program, master, cheap, control, start, coarse)
            if rough is not None and whole:
                search = Search(program, master, exact, control, rough, cheap=cheap)
                search.effort = Effort.suited(0.0, len(search.choices))
                if start is not None and len(start.x) == program.master.columns:
                    search.try_plan(start.x)
                if merged is not None and _faithful(merged, exact, search):
                    _on_merged_steps(merged.program, search, control, coarse)
                    settled = True
                elif _large(program):
                    search.early_plan()  # the first exact evaluation takes long, wherever it is made
            relaxed = None
            if rough is not None and not settled:
                target = control.limits.gap
                if whole:
                    target = min(RELAXATION_GAP, max(0.4 * control.limits.gap, 1e-6))
                relaxed = relax(
                    master,
                    exact,
                    control,
                    rough.x,
                    phase="relaxation",
                    target=target,
                    rounds=200,
                    is_exact=True,
                    bound=rough.bound,
                    until=_until(control) if whole else np.inf,
                )
            if relaxed is not None and search is not None:
                began = time.monotonic()
                search.value(relaxed.x)
                search.enter(relaxed, Effort.suited(time.monotonic() - began, len(search.choices)))
                search.run()
            elif relaxed is not None:
                control.offer(relaxed.value, relaxed.x)
        except HaltedError:
            pass
        if control.x is not None and control.blocks is None:
            control.phase = "placement of the plan"
            final = exact.evaluate(control.x, columns=True, finish=True)
            control.blocks = [y for y in final.y if y is not None]
        warm = None
        if control.x is not None:
            points = [control.x]
            if search is not None:  # the newest optima hold the bound, the best plans tell the truth about plans
                points += [*(e[1] for e in search.elite[:3]), *reversed(search.base)]
            warm = WarmStart(control.x, keep(program, pool, points[:KEPT_POINTS]))
        return None, warm
    finally:
        if search is not None:
            search.close()
        if not lanes.own:  # the caller's processes go on living: they need not remember these blocks
            for evaluator in (exact, cheap):
                if evaluator is not None:
                    evaluator.close()
        lanes.close()


@dataclass(frozen=True)
class Merged:
    """The program on merged steps, master columns x at its optimum, and what its blocks are worth there (blocks,)."""

    program: Program
    x: FloatArray
    values: FloatArray


def _faithful(merged: Merged, exact: Evaluator, search: Search) -> bool:
    """Whether the merged optimum costs little more in truth, judged by the blocks of two periods."""
    control = search.control
    control.phase = "worth of merged steps"
    keys = [block.key for block in search.program.blocks]
    periods = sorted({key.period for key in keys})
    judged = {periods[len(periods) // 2], periods[-1]}
    sample = [i for i, key in enumerate(keys) if key.period in judged]
    evaluation = exact.evaluate(merged.x, sample)
    exact.add_to(search.master.pool, evaluation)
    off = float(np.sum(evaluation.values[sample] - merged.values[sample])) * len(keys) / len(sample)
    return off <= FAITHFUL * (abs(control.bound) + off)


def _on_merged_steps(merged: Program, search: Search, control: Control, coarse: Coarse | None) -> None:
    """Search on merged steps."""
    beside = MergedSearch(merged, search, control)
    try:
        beside.run(None if coarse is None else coarse(1, mean_day=True))
    finally:
        beside.abandon()


def _until(control: Control) -> float:
    """When the relaxation must end, in seconds since the solve began."""
    seconds = control.limits.seconds
    return max(RELAXATION_SHARE * seconds, control.seconds + RELAXATION_AFTER * seconds)


def _large(program: Program) -> bool:
    """Whether blocks are so large that merged ones are worth their while."""
    return max(len(b.cost) for b in program.blocks) >= MERGED_BLOCK_COLUMNS


def _rough(
    program: Program,
    master: CutMaster,
    cheap: Evaluator | None,
    control: Control,
    start: WarmStart | None,
    coarse: Coarse | None,
) -> tuple[Relaxed | None, Merged | None]:
    """A point near the relaxation's optimum, from old cuts or merged steps, and the merged program that it is the
    optimum of, if so; None when the time ended before."""
    point: FloatArray | None = None
    if start is not None and start.cuts is not None:
        known = still_valid(program, start.cuts)
        if known is not None:
            master.pool.add(*known)
            outcome = master.linear(max(control.left(), 1.0))
            point = None if outcome.x is None else outcome.x[: program.master.columns]
    if point is not None:
        return Relaxed(point, np.inf, -np.inf, [point]), None
    control.phase = "merged steps in one piece"
    point, start_program = _first_point(program, master, control, coarse)
    if point is None:
        return None, None
    if cheap is None:
        return Relaxed(point, np.inf, -np.inf, [point]), start_program
    control.phase = "relaxation, merged steps"
    if start_program is not None:
        finer = cheap.evaluate(point)
        if relative_gap(master.true_objective(point, finer.values)[0], control.bound) > FAITHFUL:
            start_program = None
    rough = relax(master, cheap, control, point, phase=control.phase, target=0.003, rounds=15, is_exact=False)
    return rough, start_program


def _first_point(
    program: Program, master: CutMaster, control: Control, coarse: Coarse | None
) -> tuple[FloatArray | None, Merged | None]:
    """The optimum of the merged relaxation and the merged program; without one, any point of the master."""
    total = sum(len(b.cost) for b in program.blocks)
    if total <= START_COLUMNS:
        begun = merged_start(program, master.pool, control)
        if begun is not None:
            return begun[0], None  # its cuts are exact already: the decomposition goes on from them
    if coarse is not None:
        for steps in START_STEPS:
            merged = coarse(steps)
            columns = sum(len(b.cost) for b in merged.blocks)
            if columns > START_LIMIT and steps == 1:
                begun_at = attempts(flatten(_one_future(merged)), max(control.left(), 0.1))
                if begun_at.x is not None:
                    return begun_at.x[: program.master.columns], None
            elif columns <= START_COLUMNS or steps == 1:
                begun = merged_start(merged, master.pool, control)
                if begun is not None:
                    return begun[0], Merged(merged, *begun)
                break
    outcome = master.linear(max(control.left(), 1.0))
    if outcome.x is None:  # without cuts the master may be unbounded: any of its points will do

        def free(model: MasterModel) -> None:
            model.cost[:] = 0.0
            model.lower[master.theta] = np.maximum(model.lower[master.theta], -1.0)

        outcome = master.linear(max(control.left(), 1.0), free)
    if outcome.status == "infeasible":
        raise BlockFailureError("the master's rows have no point")
    return (None if outcome.x is None else outcome.x[: program.master.columns]), None


def _one_future(program: Program) -> Program:
    """The program of the future with the middle demand, its blocks at the cost of all: a start, no bound."""
    size: dict[int, float] = {}
    weight: dict[tuple[str, int, int], float] = {}
    for block in program.blocks:
        key, sides = block.key, np.concatenate([block.row_lower, block.row_upper])
        size[key.future] = size.get(key.future, 0.0) + float(np.abs(sides[np.isfinite(sides)]).sum())
        weight[key.kind, key.period, key.day] = weight.get((key.kind, key.period, key.day), 0.0) + block.scale
    middle = sorted(size, key=lambda future: (size[future], future))[len(size) // 2]
    blocks = tuple(
        replace(block, cost=block.cost * (weight[block.key.kind, block.key.period, block.key.day] / block.scale))
        for block in program.blocks
        if block.key.future == middle and block.scale > 0
    )
    return replace(program, blocks=blocks, risk=None)


# ---- what a later solve may start from


def fingerprint(program: Program, block: int) -> bytes:
    """Tells apart blocks whose cuts differ: everything a cut depends on."""
    b = program.blocks[block]
    digest = hashlib.blake2b(digest_size=16)
    for array in (
        b.matrix.data,
        b.matrix.indices,
        b.matrix.indptr,
        b.coupling.data,
        b.coupling.indices,
        b.coupling.indptr,
        b.cost,
        b.lower,
        b.upper,
        b.row_lower,
        b.row_upper,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(str((program.master.columns, program.money_unit)).encode())
    return digest.digest()


def keep(program: Program, pool: CutPool, points: list[FloatArray]) -> CutStore:
    which = np.flatnonzero(pool.tight(points))
    return CutStore(
        tuple(b.key for b in program.blocks),
        tuple(fingerprint(program, i) for i in range(len(program.blocks))),
        pool.owner[which],
        pool.constant[which],
        pool.slope[which],
    )


def still_valid(program: Program, store: CutStore) -> tuple[IntArray, FloatArray, sp.csr_matrix] | None:
    """Cuts of blocks that have not changed at all; those of changed blocks prove nothing and are left out."""
    if store.slope.shape[1] != program.master.columns:
        return None
    place: dict[BlockKey, int] = {b.key: i for i, b in enumerate(program.blocks)}
    new_owner = np.full(len(store.keys), -1)
    for i, key in enumerate(store.keys):
        at = place.get(key)
        if at is not None and fingerprint(program, at) == store.fingerprints[i]:
            new_owner[i] = at
    owner = new_owner[store.owner]
    fine = owner >= 0
    if not fine.any():
        return None
    return owner[fine], store.constant[fine], store.slope[fine]
