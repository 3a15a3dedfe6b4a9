"""One call for every route: program in, plan and proven bound out."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from planner.program.blocks import Program

from .benders.route import decompose
from .benders.start import Coarse
from .benders.subproblem import BlockFailureError
from .control import Control
from .limits import Limits
from .one_piece import Ending, one_piece
from .progress import Progress, relative_gap
from .relax_and_fix import relax_and_fix
from .solution import Solution, SolutionStatus, WarmStart
from .tuning import TUNING

_POLL_S, _TELL_S = 0.1, 1.0


_UNSOUND = 1e-4


def columns(program: Program) -> int:
    """Columns of master and blocks together."""
    return program.master.columns + sum(int(b.cost.shape[0]) for b in program.blocks)


def choose_route(program: Program, limits: Limits) -> str:
    """The route that `auto` takes: see docs/engine.md for the sizes at which they change places."""
    if limits.route != "auto":
        return limits.route
    count, apart = columns(program), len(program.blocks) > 1
    if not program.master.integer.any():
        return "benders" if apart and count > TUNING.linear_columns else "one_piece"
    if count <= (TUNING.close_columns if limits.gap < TUNING.close_gap else TUNING.one_piece_columns):
        return "one_piece"
    return "benders" if apart else "relax_and_fix"


def solve(
    program: Program,
    limits: Limits | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    start: WarmStart | None = None,
    coarse: Coarse | None = None,
) -> Solution:
    """Minimise the program.

    on_progress is called from this thread at least once a second, and when plan or bound improve. stop: set it from
    another thread and the best plan so far comes back. start: an earlier solution's `warm`. coarse(n): the same program
    with every block's steps merged to at most n (a relaxation with the same master and block keys), which lets the
    decomposition find cheap valid cuts first.

    An error inside a route is raised here. Same program, limits and seed give the same plan as long as no time limit
    cuts in: SCIP, HiGHS and GLOP are deterministic, but what they have reached at a given second is not.
    """
    limits = limits or Limits()
    control = Control(limits)
    route = choose_route(program, limits)
    ended: list[Ending] = [None]
    warm: list[WarmStart | None] = [None]
    failed: list[BaseException] = []

    def work() -> None:
        try:
            ended[0], warm[0] = _take(route, program, control, start, coarse)
        except BaseException as error:  # noqa: BLE001 - told in the thread that asked
            failed.append(error)

    thread = threading.Thread(target=work, name="tideplan-solve", daemon=True)
    thread.start()
    told, told_at = -1, -np.inf
    while thread.is_alive():
        thread.join(_POLL_S)
        if not control.halted and (control.over or (stop is not None and stop.is_set())):
            control.halt()
        news = len(control.trace)
        if on_progress is not None and (news != told or control.seconds - told_at >= _TELL_S):
            control.measure()
            told, told_at = news, control.seconds
            on_progress(control.progress())
    control.measure()
    if failed:
        raise failed[0]
    return _solution(control, route, ended[0], warm[0])


def _take(
    route: str, program: Program, control: Control, start: WarmStart | None, coarse: Coarse | None
) -> tuple[Ending, WarmStart | None]:
    known = None if start is None or len(start.x) != program.master.columns else start.x
    if route == "one_piece":
        return one_piece(program, control, known), None
    if route == "benders":
        try:
            return decompose(program, control, start, coarse)
        except BlockFailureError:
            # the blocks give no answer by themselves, as in a program without any plan: let the whole program tell
            control.phase = "one piece, after the decomposition failed"
    return relax_and_fix(program, control, known), None


def _solution(control: Control, route: str, ending: Ending, warm: WarmStart | None) -> Solution:
    if control.x is None or ending == "unbounded":
        status: SolutionStatus = ending or "stopped_without_plan"
        bound = np.inf if status == "infeasible" else -np.inf if status == "unbounded" else control.bound
        none = np.zeros(0)
        return Solution(none, [], np.inf, bound, np.inf, status, control.seconds, route, control.trace, control.peak_mb)
    if control.bound > control.objective + _UNSOUND * max(abs(control.objective), 1.0):
        # Decision 0002: a solver's bound has been wrong before. It must not pass for a gap of zero.
        raise ArithmeticError(f"a bound of {control.bound:g} was claimed above a plan that costs {control.objective:g}")
    bound = min(control.bound, control.objective)
    gap = relative_gap(control.objective, bound)
    # the solvers end at their own measure of the gap and print six digits
    status = "optimal" if gap <= control.limits.gap + 1e-6 else "feasible"
    return Solution(
        control.x,
        control.blocks or [],
        control.objective,
        bound,
        gap,
        status,
        control.seconds,
        route,
        control.trace,
        control.peak_mb,
        warm or WarmStart(control.x),
    )
