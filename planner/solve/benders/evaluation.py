"""Evaluating all blocks at given master columns, spread over worker processes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.program.blocks import Block, FloatArray, IntArray, Program
from planner.solve.benders import subproblem
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.subproblem import BlockValue
from planner.solve.control import Control
from planner.solve.workers import Worker

# Blocks in one task: small enough for a stop to be felt at once, large enough to hide the passing of x.
_CHUNK = 6


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
        if self.own:
            for executor in self.executors:
                executor.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Evaluation:
    """values: (blocks,) exact where evaluated, nan elsewhere. cuts: one a block evaluated. y: filled when asked for."""

    values: FloatArray
    cuts: list[BlockValue]
    y: list[FloatArray | None]


class Evaluator:
    """Values of a program's blocks. Blocks that differ by future only share a solver, so they stay in one lane."""

    def __init__(self, program: Program, lanes: Lanes, control: Control, *, master_columns: int | None = None) -> None:
        self.blocks: tuple[Block, ...] = program.blocks
        self.master_columns = master_columns or program.master.columns
        self.lanes, self._control = lanes, control
        self._token = uuid.uuid4().hex
        families: dict[tuple[str, int, int], list[int]] = {}
        for i, block in enumerate(self.blocks):
            families.setdefault((block.key.kind, block.key.period, block.key.day), []).append(i)
        self._groups: list[list[int]] = [[] for _ in range(len(lanes))]
        for members in sorted(families.values(), key=lambda m: -sum(len(self.blocks[i].cost) for i in m)):
            min(self._groups, key=lambda g: sum(len(self.blocks[i].cost) for i in g)).extend(members)
        for group in self._groups:
            # neighbours in period share the most of a basis
            group.sort(key=lambda i: (self.blocks[i].key.kind, self.blocks[i].key.day, self.blocks[i].key.period))
        self._sent = [False] * len(lanes)
        self.count = 0

    def evaluate(
        self, x: FloatArray, which: Sequence[int] | None = None, *, columns: bool = False, finish: bool = False
    ) -> Evaluation:
        """All blocks, or those in `which`, at x. finish: go on after a halt. Raises HaltedError, BlockFailureError."""
        wanted = set(range(len(self.blocks)) if which is None else which)
        values = np.full(len(self.blocks), np.nan)
        y: list[FloatArray | None] = [None] * len(self.blocks)
        cuts: list[BlockValue] = []
        pending: list[tuple[int, list[int], Future[Any]]] = []
        for lane, group in enumerate(self._groups):
            mine = [i for i in group if i in wanted]
            for chunk in [mine[k : k + _CHUNK] for k in range(0, len(mine), _CHUNK)]:
                future = self._submit(lane, chunk, x, columns)
                pending.append((lane, chunk, future))
        for lane, chunk, task in pending:
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
                    answer = self._submit(lane, chunk, x, columns, afresh=True).result()
                break
            if answer is None:
                answer = self._submit(lane, chunk, x, columns, afresh=True).result()
            for value in answer:
                values[value.index] = value.value
                y[value.index] = value.y
                cuts.append(value if value.y is None else _without_columns(value))
        self.count += len(cuts)
        return Evaluation(values, cuts, y)

    def _submit(self, lane: int, chunk: list[int], x: FloatArray, columns: bool, afresh: bool = False) -> Future[Any]:
        payload = None
        if afresh or not self._sent[lane]:
            payload = [(i, self.blocks[i]) for i in self._groups[lane]]
            self._sent[lane] = True
        executor = self.lanes.executors[lane]
        return executor.submit(subproblem.evaluate, self._token, lane, payload, x, chunk, columns)

    def close(self) -> None:
        """Free the solvers of this evaluator in the workers."""
        for executor in self.lanes.executors:
            executor.submit(subproblem.forget, self._token)

    def add_to(self, pool: CutPool, evaluation: Evaluation) -> None:
        pool.add(*subproblem.joined(evaluation.cuts, self.master_columns))


def _without_columns(value: BlockValue) -> BlockValue:
    return BlockValue(value.index, value.value, value.constant, value.columns, value.slope, value.over)


def owners(cuts: Sequence[BlockValue]) -> IntArray:
    return np.array([c.index for c in cuts], np.int64)
