"""Evaluating all blocks at given master columns, spread over worker processes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Block, Program
from planner.solve.benders import subproblem
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.subproblem import BlockValue
from planner.solve.control import Control
from planner.solve.tuning import TUNING
from planner.solve.workers import Worker

# Blocks in one task: small enough for a stop to be felt at once, large enough to hide the passing of x.
_CHUNK = 6


# Master columns, blocks to evaluate, whether their columns are wanted, blocks that get cuts from the prices of these.
_Task = tuple[FloatArray, list[int], bool, list[int]]
_Begun = tuple[int, _Task, Future[Any]]  # with the lane that it is done on


class HaltedError(Exception):
    """The search was ended while blocks were being evaluated."""


class Lanes:
    """The executors on which groups of blocks live: worker processes of our own, or the caller's executor."""

    def __init__(self, count: int, executor: Executor | None = None) -> None:
        self.own = executor is None
        self.executors: list[Executor] = [executor or Worker() for _ in range(count)]
        if self.own:
            # a process takes a second or two to start: let it do so while the merged program is solved here
            for worker in self.executors:
                worker.submit(subproblem.forget, "")

    def __len__(self) -> int:
        return len(self.executors)

    def close(self) -> None:
        """End the processes, if they are its own."""
        if self.own:
            for executor in self.executors:
                executor.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Evaluation:
    """values: (blocks,) exact where evaluated, nan elsewhere. cuts: one a block that was evaluated or stood for.
    y: filled when asked for."""

    values: FloatArray
    cuts: list[BlockValue]
    y: list[FloatArray | None]

    def values_at_least(self, pool: CutPool, x: FloatArray) -> FloatArray:
        """(blocks,) what was evaluated, and what the cuts know at this point x of the rest."""
        missing = np.isnan(self.values)
        return np.where(missing, pool.lower(x), self.values) if missing.any() else self.values


class Evaluator:
    """Values of a program's blocks. Blocks that differ by future only share a solver, so they stay in one lane."""

    def __init__(self, program: Program, lanes: Lanes, control: Control) -> None:
        self.blocks: tuple[Block, ...] = program.blocks
        self.master_columns = program.master.columns
        self.lanes, self._control = lanes, control
        self._token = uuid.uuid4().hex
        families: dict[tuple[str, int, int], list[int]] = {}
        for i, block in enumerate(self.blocks):
            families.setdefault(block.key.family, []).append(i)
        self._turn = 0
        self._families = [sorted(f, key=lambda i: (size_of(self.blocks[i]), i)) for f in families.values()]
        self._groups: list[list[int]] = [[] for _ in range(len(lanes))]
        # days in turn to the lanes, largest first: what kind of day it is makes a block hard or easy
        turn = sorted(families, key=lambda f: (-sum(len(self.blocks[i].cost) for i in families[f]), f[0], f[2], f[1]))
        for members in (families[f] for f in turn):
            min(self._groups, key=lambda g: sum(len(self.blocks[i].cost) for i in g)).extend(members)
        for group in self._groups:
            # neighbours in period share the most of a basis
            group.sort(key=lambda i: (self.blocks[i].key.kind, self.blocks[i].key.day, self.blocks[i].key.period))
        self._sent = [False] * len(lanes)

    def evaluate(
        self,
        x: FloatArray,
        which: Sequence[int] | None = None,
        *,
        sample: bool = False,
        columns: bool = False,
        finish: bool = False,
    ) -> Evaluation:
        """All blocks, or those in `which`, at x. sample: of many futures a few, in turn, and cuts alone of the others.
        finish: go on after a halt. Raises HaltedError, BlockFailureError. x: (columns,) of the master."""
        return self.gather(self.begin(x, which, sample=sample, columns=columns), finish=finish)

    def begin(
        self, x: FloatArray, which: Sequence[int] | None = None, *, sample: bool = False, columns: bool = False
    ) -> list[_Begun]:
        """Hand the work of `evaluate` to the lanes. x: (columns,) of the master."""
        wanted = set(range(len(self.blocks)) if which is None else which)
        stand_for: dict[int, list[int]] = {}
        if sample:
            stand_for = self._sampled(wanted)
            wanted -= {i for others in stand_for.values() for i in others}
        pending: list[_Begun] = []
        for lane, group in enumerate(self._groups):
            mine = [i for i in group if i in wanted]
            for chunk in [mine[k : k + _CHUNK] for k in range(0, len(mine), _CHUNK)]:
                request = (x, chunk, columns, [j for i in chunk for j in stand_for.get(i, ())])
                pending.append((lane, request, self._submit(lane, request)))
        return pending

    def gather(self, pending: list[_Begun], *, finish: bool = False) -> Evaluation:
        """Wait for what was begun. Raises as `evaluate` does."""
        values = np.full(len(self.blocks), np.nan)
        y: list[FloatArray | None] = [None] * len(self.blocks)
        cuts: list[BlockValue] = []
        for lane, request, task in pending:
            while True:
                if self._control.halted and not finish:
                    for _, _, other in pending:
                        other.cancel()
                    raise HaltedError
                try:
                    answer = task.result(timeout=0.2)
                except TimeoutError:
                    continue
                except BrokenExecutor:
                    # a worker died, most likely out of memory: one new try in a new process, then give up
                    answer = self._submit(lane, request, afresh=True).result()
                break
            if answer is None:
                answer = self._submit(lane, request, afresh=True).result()
            for value in answer:
                values[value.index] = value.value
                y[value.index] = value.y
                cuts.append(value if value.y is None else replace(value, y=None))
        self._control.note_evaluations(len(cuts))
        return Evaluation(values, cuts, y)

    def _sampled(self, wanted: set[int]) -> dict[int, list[int]]:
        """Who is evaluated for whom: of every family `sample_futures`, small, middle and large, others by and by."""
        out: dict[int, list[int]] = {}
        for family in self._families:
            members = [i for i in family if i in wanted]
            if len(members) > TUNING.sample_futures:
                parts = np.array_split(np.array(members), TUNING.sample_futures)
                chosen = [int(part[self._turn // TUNING.sample_stays % len(part)]) for part in parts]
                # one of them asks for all the rest: the prices of the others are at hand there, being in the same task
                out[chosen[0]] = [i for i in members if i not in chosen]
        self._turn += 1
        return out

    def _submit(self, lane: int, request: _Task, afresh: bool = False) -> Future[Any]:
        payload = None
        if afresh or not self._sent[lane]:
            payload = [(i, self.blocks[i]) for i in self._groups[lane]]
            self._sent[lane] = True
        executor = self.lanes.executors[lane]
        return executor.submit(subproblem.evaluate, self._token, lane, payload, *request)

    def close(self) -> None:
        """Free the solvers of this evaluator in the workers."""
        for executor in self.lanes.executors:
            executor.submit(subproblem.forget, self._token)

    def add_to(self, pool: CutPool, evaluation: Evaluation) -> None:
        """Put the cuts of an evaluation into the pool."""
        pool.add(*subproblem.joined(evaluation.cuts, self.master_columns))


class Mixed:
    """Blocks on merged steps, but for the few in `exact_ones`, which are taken as they are.

    What merged steps miss lies in few blocks: on L the eighth with the greatest values has 76 % of it, and more steps
    in all blocks do not help there (six steps miss 2.2 % of all values, sixteen 1.3 %, six with that eighth exact 0.5).
    """

    def __init__(self, merged: Evaluator, exact: Evaluator, exact_ones: Sequence[int]) -> None:
        self.merged, self._exact, self._fine = merged, exact, set(exact_ones)

    def evaluate(self, x: FloatArray, which: Sequence[int] | None = None, *, sample: bool = False) -> Evaluation:
        """As `Evaluator.evaluate`; values are at most the exact ones. x: (columns,) of the master."""
        wanted = set(range(len(self.merged.blocks)) if which is None else which)
        exact = self._exact.begin(x, sorted(wanted & self._fine), sample=sample)
        merged = self.merged.begin(x, sorted(wanted - self._fine), sample=sample)
        fine, rest = self._exact.gather(exact), self.merged.gather(merged)
        return Evaluation(np.where(np.isnan(fine.values), rest.values, fine.values), [*fine.cuts, *rest.cuts], rest.y)

    def add_to(self, pool: CutPool, evaluation: Evaluation) -> None:
        """Put the cuts of an evaluation into the pool."""
        self.merged.add_to(pool, evaluation)


def size_of(block: Block) -> float:
    """How much a block asks for: futures of one day in the order of their demand."""
    sides = np.concatenate([block.row_lower, block.row_upper])
    return float(np.abs(sides[np.isfinite(sides)]).sum())
