"""Where the decomposition begins: a point near the relaxation's optimum, first cuts, and cheap blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Program
from planner.solve.benders.evaluation import Evaluator, Lanes, Mixed
from planner.solve.benders.master import CutMaster, MasterModel
from planner.solve.benders.relaxation import Relaxed, Rounds, merged_start, relax, stand_in_start
from planner.solve.benders.subproblem import BlockFailureError
from planner.solve.control import Control
from planner.solve.tuning import TUNING


class Coarse(Protocol):
    """Makes the program with its blocks' steps merged to at most `steps`; on a mean day: an estimate, no relaxation.

    loose: regions with the same sites as one, whatever that costs: for bounds. Asked for where there are several
    futures."""

    def __call__(self, steps: int, mean_day: bool = False, loose: bool = False) -> Program:
        """The program on merged steps, on mean days, or without its own rows."""


@dataclass(frozen=True)
class Merged:
    """The program on merged steps, master columns x at its optimum, and what its blocks are worth there (blocks,)."""

    program: Program
    x: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Beginning:
    """What is at hand at the start of a decomposition."""

    program: Program
    master: CutMaster
    exact: Evaluator
    lanes: Lanes
    control: Control
    coarse: Coarse | None
    opened: list[Evaluator] = field(default_factory=list)  # to be closed by whoever closes the lanes

    def run(self) -> tuple[Relaxed | None, Merged | None, Mixed | None]:
        """A point near the relaxation's optimum; the merged program that it is the optimum of, where merged steps may
        be faithful; cheap blocks where blocks are large. None for the first when the time ended before."""
        control, coarse = self.control, self.coarse
        control.phase = "merged steps in one piece"
        if coarse is None or not is_large(self.program):
            point, merged = _first_point(self.program, self.master, control, coarse)
            return (None if point is None else Relaxed(point, np.inf, -np.inf, [point])), merged, None
        small = coarse(1)
        point, merged = stand_in_start(coarse(1, mean_day=True), small, self.master.pool, control), None
        six = self._merged_blocks(coarse)
        if point is None or self._alike(small, six, point):
            point, merged = _first_point(self.program, self.master, control, coarse)
        if point is None:
            return None, None, None
        control.phase = "relaxation, merged steps"
        until = control.seconds + TUNING.merged_share * control.limits.seconds
        rough = self._relax(six, Relaxed(point, np.inf, -np.inf, []), TUNING.rough_gap, until)
        cheap = Mixed(six, self.exact, _dearest(self.program, self.master.pool.lower(rough.x)))
        return self._relax(cheap, rough, TUNING.merged_gap, until), merged, cheap

    def cheap_blocks(self, point: FloatArray) -> Mixed | None:
        """Most blocks on merged steps, if blocks are large; `point`: where cuts are good.

        point: (columns,) of the master.
        """
        if self.coarse is None or not is_large(self.program):
            return None
        return Mixed(
            self._merged_blocks(self.coarse), self.exact, _dearest(self.program, self.master.pool.lower(point))
        )

    def _merged_blocks(self, coarse: Coarse) -> Evaluator:
        self.opened.append(Evaluator(coarse(TUNING.merged_steps), self.lanes, self.control))
        return self.opened[-1]

    def _alike(self, small: Program, six: Evaluator, point: FloatArray) -> bool:
        """Whether one step a day tells nearly the same as six, judged by the first future."""
        first = [i for i, b in enumerate(small.blocks) if b.key.future == small.blocks[0].key.future]
        one = Evaluator(small, self.lanes, self.control)
        try:
            known = one.evaluate(point, first).values[first].sum()
        finally:
            one.close()
        finer = six.evaluate(point, first).values[first].sum()
        share = sum(small.blocks[i].scale for i in first) / sum(b.scale for b in small.blocks)
        return bool(finer - known <= TUNING.faithful * (finer + share * abs(float(self.program.master.cost @ point))))

    def _relax(self, blocks: Evaluator | Mixed, rough: Relaxed, target: float, until: float) -> Relaxed:
        rounds = Rounds(self.control.phase, target, 60, is_exact=False, bound=rough.bound, until=until)
        return relax(self.master, blocks, self.control, rough.x, rounds)


def is_large(program: Program) -> bool:
    """Whether blocks are so large that merged ones are worth their while."""
    return max(len(b.cost) for b in program.blocks) >= TUNING.merged_block_columns


def _dearest(program: Program, lower: FloatArray) -> list[int]:
    """The eighth of the days, all their futures, whose blocks are worth most where blocks are worth `lower`."""
    worth: dict[tuple[str, int, int], float] = {}
    days = [block.key.family for block in program.blocks]
    for day, value in zip(days, lower.tolist(), strict=True):
        worth[day] = worth.get(day, 0.0) + value
    most = set(sorted(worth, key=lambda day: (-worth[day], day))[: math.ceil(len(worth) * TUNING.exact_share)])
    return [i for i, day in enumerate(days) if day in most]


def _first_point(
    program: Program, master: CutMaster, control: Control, coarse: Coarse | None
) -> tuple[FloatArray | None, Merged | None]:
    """The optimum of the merged relaxation and the merged program; without one, any point of the master."""
    total = sum(len(b.cost) for b in program.blocks)
    if total <= TUNING.start_columns:
        begun = merged_start(program, master.pool, control)
        if begun is not None:
            return begun[0], None  # its cuts are exact already: the decomposition goes on from them
    if coarse is not None:
        for steps in TUNING.start_steps:
            merged = coarse(steps)
            columns = sum(len(b.cost) for b in merged.blocks)
            if columns > TUNING.start_limit and steps == 1:
                at = stand_in_start(coarse(1, mean_day=True), merged, master.pool, control)
                if at is not None:
                    return at, None
            elif columns <= TUNING.start_columns or steps == 1:
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
