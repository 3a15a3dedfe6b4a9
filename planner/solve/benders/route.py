"""The decomposition from start to end: merged steps, exact relaxation, integer search, plan."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import BlockKey, Program
from planner.solve.benders.bounds import BoundSearch
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator, HaltedError, Lanes, Mixed
from planner.solve.benders.first_plans import FirstPlans
from planner.solve.benders.master import CutMaster
from planner.solve.benders.merged import MergedSearch
from planner.solve.benders.neighbours import look_around
from planner.solve.benders.relaxation import Relaxed, Rounds, relax
from planner.solve.benders.search import Search
from planner.solve.benders.start import Beginning, Coarse, Merged, is_large
from planner.solve.control import Control
from planner.solve.futures.route import ByFuture, suits
from planner.solve.one_piece import Ending
from planner.solve.solution import CutStore, WarmStart
from planner.solve.tuning import TUNING, Effort


def decompose(
    program: Program, control: Control, start: WarmStart | None = None, coarse: Coarse | None = None
) -> tuple[Ending, WarmStart | None]:
    """Plan and bound go to `control`; what a later solve may start from is returned.

    Raises BlockFailureError where a block has no value at a point that the master allows: the caller then takes
    another route.
    """
    run = _Decomposing(program, control, coarse)
    try:
        with suppress(HaltedError):
            run.search_from(start)
        return None, run.handed_on()
    finally:
        run.close()


class _Decomposing:
    """One decomposition: master, exact blocks, and the search for integers once there is one."""

    def __init__(self, program: Program, control: Control, coarse: Coarse | None) -> None:
        self._program, self._control, self._coarse = program, control, coarse
        self._lanes = Lanes(max(control.limits.threads, 1), control.limits.executor)
        self._pool = CutPool(len(program.blocks), program.master.columns)
        self._master = CutMaster(program, self._pool)
        self._exact = Evaluator(program, self._lanes, control)
        self._begin = Beginning(program, self._master, self._exact, self._lanes, control, coarse)
        self._search: Search | None = None

    def search_from(self, start: WarmStart | None) -> None:
        """Relaxation, then integers, until gap, time or halt. Raises HaltedError."""
        program, control = self._program, self._control
        whole = bool(program.master.integer.any())
        if whole and self._apart(start):
            return
        point = _known_point(program, self._master, control, start)
        merged: Merged | None = None
        rough: Relaxed | None
        if point is not None:
            rough, cheap = Relaxed(point, np.inf, -np.inf, [point]), self._begin.cheap_blocks(point)
        else:
            rough, merged, cheap = self._begin.run()
        if rough is None:
            return
        if whole and self._settled_early(rough, merged, cheap, start):
            return
        self._exactly(rough, whole=whole)

    def _apart(self, start: WarmStart | None) -> bool:
        """Whether the futures by themselves were what to search."""
        program, coarse = self._program, self._coarse
        if coarse is None or not suits(program, coarse):
            return False
        return _future_by_future(program, self._master, self._exact, self._control, start, coarse)

    def _settled_early(
        self, rough: Relaxed, merged: Merged | None, cheap: Mixed | None, start: WarmStart | None
    ) -> bool:
        """Begin the search for integers with the plan at hand; whether merged steps were what to search."""
        program, control = self._program, self._control
        search = self._search = Search(program, self._master, self._exact, control, rough, cheap=cheap)
        search.effort = Effort.suited(0.0, len(search.choices))
        if start is not None and len(start.x) == program.master.columns:
            search.try_plan(start.x)
        if merged is not None and _faithful(merged, self._exact, search):
            _on_merged_steps(merged, search, control, self._coarse)
            return True
        if is_large(program):
            FirstPlans(search).early()  # the first exact evaluation takes long, wherever it is made
        return False

    def _exactly(self, rough: Relaxed, *, whole: bool) -> None:
        """The relaxation on exact blocks, then integers on its cuts."""
        control, search = self._control, self._search
        target = control.limits.gap
        if whole:
            target = min(TUNING.relaxation_gap, max(0.4 * control.limits.gap, 1e-6))
        until = _until(control) if whole else np.inf
        rounds = Rounds("relaxation", target, 200, is_exact=True, bound=rough.bound, until=until)
        relaxed = relax(self._master, self._exact, control, rough.x, rounds)
        if search is None:
            control.offer(relaxed.value, relaxed.x)
            return
        began = time.monotonic()
        search.value(relaxed.x)
        search.state.enter(relaxed)
        search.effort = Effort.suited(time.monotonic() - began, len(search.choices))
        _run(search)

    def handed_on(self) -> WarmStart | None:
        """The plan placed, and with the cuts that a later solve may start from; None without a plan."""
        control, search = self._control, self._search
        if control.x is None:
            return None
        if control.blocks is None:
            control.phase = "placement of the plan"
            final = self._exact.evaluate(control.x, columns=True, finish=True)
            control.blocks = [y for y in final.y if y is not None]
        points = [control.x]
        if search is not None:  # the newest optima hold the bound, the best plans tell the truth about plans
            points += [*(e[1] for e in search.state.elite[:3]), *reversed(search.state.base)]
        return WarmStart(control.x, keep(self._program, self._pool, points[: TUNING.kept_points]))

    def close(self) -> None:
        """End what was started."""
        if self._search is not None:
            self._search.close()
        if not self._lanes.own:  # the caller's processes go on living: they need not remember these blocks
            for evaluator in (self._exact, *self._begin.opened):
                evaluator.close()
        self._lanes.close()


def _run(search: Search) -> None:
    """Search until the gap is reached, time is over or a halt. Errors of the bound search are raised here."""
    bounds = BoundSearch(search)
    try:
        with suppress(HaltedError):
            search.control.phase = "first plans"
            FirstPlans(search).run()
            look_around(search, bounds)
    finally:
        bounds.end()


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
    return off <= TUNING.faithful * (abs(control.bound) + off)


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
    return max(TUNING.relaxation_share * seconds, control.seconds + TUNING.relaxation_after * seconds)


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
    """The cuts that bind at any of the points, by block, for another solve. points: (columns,) of the master each."""
    which = np.flatnonzero(pool.tight(points))
    return CutStore(
        tuple(b.key for b in program.blocks),
        tuple(fingerprint(program, i) for i in range(len(program.blocks))),
        pool.owner[which],
        pool.constant[which],
        pool.slope[which],
    )


def still_valid(program: Program, store: CutStore) -> tuple[IntArray, FloatArray, sp.csr_matrix] | None:
    """Cuts of blocks that have not changed at all; those of changed blocks prove nothing and are left out.

    owner, constant: (cuts,); slope: (cuts, columns).
    """
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
