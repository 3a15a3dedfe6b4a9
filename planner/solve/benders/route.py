"""The decomposition from start to end: merged steps, exact relaxation, integer search, plan."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import BlockKey, Program
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator, HaltedError, Lanes
from planner.solve.benders.master import CutMaster
from planner.solve.benders.merged import MergedSearch
from planner.solve.benders.relaxation import Relaxed, Rounds, relax
from planner.solve.benders.search import Effort, Search
from planner.solve.benders.start import FAITHFUL, Beginning, Coarse, Merged, is_large
from planner.solve.control import Control
from planner.solve.futures.route import ByFuture, suits
from planner.solve.one_piece import Ending
from planner.solve.solution import CutStore, WarmStart

# Gap of the relaxation at which the search for whole numbers starts: the cuts it adds also go on raising the bound.
RELAXATION_GAP = 0.002
# A plan must stand in the end: the search starts at the latest after this share of the time, or this much later than
# an early plan of large blocks.
RELAXATION_SHARE, RELAXATION_AFTER = 0.4, 0.15
# Cuts handed on for a later solve: those tight at the last points.
KEPT_POINTS = 12


def decompose(  # noqa: C901
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
    begin = Beginning(program, master, exact, lanes, control, coarse)
    search: Search | None = None
    settled = False
    try:
        try:
            whole = bool(program.master.integer.any())
            if whole and coarse is not None and suits(program, coarse):
                settled = _future_by_future(program, master, exact, control, start, coarse)
            merged, point = None, None if settled else _known_point(program, master, control, start)
            rough: Relaxed | None = None
            if settled:
                cheap = None
            elif point is not None:
                rough = Relaxed(point, np.inf, -np.inf, [point])
                cheap = begin.cheap_blocks(point)
            else:
                rough, merged, cheap = begin.run()
            if rough is not None and whole:
                search = Search(program, master, exact, control, rough, cheap=cheap)
                search.effort = Effort.suited(0.0, len(search.choices))
                if start is not None and len(start.x) == program.master.columns:
                    search.try_plan(start.x)
                if merged is not None and _faithful(merged, exact, search):
                    _on_merged_steps(merged, search, control, coarse)
                    settled = True
                elif is_large(program):
                    search.early_plan()  # the first exact evaluation takes long, wherever it is made
            relaxed = None
            if rough is not None and not settled:
                target = control.limits.gap
                if whole:
                    target = min(RELAXATION_GAP, max(0.4 * control.limits.gap, 1e-6))
                until = _until(control) if whole else np.inf
                rounds = Rounds("relaxation", target, 200, is_exact=True, bound=rough.bound, until=until)
                relaxed = relax(master, exact, control, rough.x, rounds)
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
            for evaluator in (exact, *begin.opened):
                evaluator.close()
        lanes.close()


def _future_by_future(
    program: Program,
    master: CutMaster,
    exact: Evaluator,
    control: Control,
    start: WarmStart | None,
    coarse: Coarse,
) -> bool:
    """Whether the futures by themselves were what to search (`futures.route`)."""
    nowhere = np.zeros(program.master.columns)
    search = Search(program, master, exact, control, Relaxed(nowhere, np.inf, -np.inf, []))
    apart: ByFuture | None = None
    try:
        if start is not None and len(start.x) == program.master.columns:
            search.try_plan(start.x)
        apart = ByFuture(program, search, control, coarse)
        return apart.run()
    except ValueError:  # the layout does not tell futures apart
        return False
    finally:
        if apart is not None:
            apart.close()
        search.close()


def _faithful(merged: Merged, exact: Evaluator, search: Search) -> bool:
    """Whether the merged optimum costs little more in truth."""
    control = search.control
    control.phase = "worth of merged steps"
    evaluation = exact.evaluate(merged.x)
    exact.add_to(search.master.pool, evaluation)
    off = float(np.sum(evaluation.values - merged.values))
    return off <= FAITHFUL * (abs(control.bound) + off)


def _on_merged_steps(merged: Merged, search: Search, control: Control, coarse: Coarse | None) -> None:
    """Search on merged steps."""
    beside = MergedSearch(merged.program, search, control, merged.x)
    try:
        beside.run(None if coarse is None else coarse(1, mean_day=True))
    finally:
        beside.abandon()


def _until(control: Control) -> float:
    """When the relaxation must end, in seconds since the solve began."""
    seconds = control.limits.seconds
    return max(RELAXATION_SHARE * seconds, control.seconds + RELAXATION_AFTER * seconds)


def _known_point(program: Program, master: CutMaster, control: Control, start: WarmStart | None) -> FloatArray | None:
    """The master's optimum with the cuts of an earlier solve that still hold; None without any."""
    known = None if start is None or start.cuts is None else still_valid(program, start.cuts)
    if known is None:
        return None
    master.pool.add(*known)
    outcome = master.linear(max(control.left(), 1.0))
    return None if outcome.x is None else outcome.x[: program.master.columns]


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
    """The cuts that bind at any of the points, by block, for another solve."""
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
