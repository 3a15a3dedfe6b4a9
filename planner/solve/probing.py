"""Choices that the limits on decisions rule out by themselves, found by trying each (probing, Savelsbergh 1994).

A campaign on ten thousand cards needs more modules of a type than supply, power and vendors' shares leave at most
sites. In fractions a bit of it stands everywhere; with those places closed, the relaxation of the national example by
hub rises by 17 % at 1.6 s of CPU (docs/decisions/0120). Only rows of the master are looked at, so that merged and exact
programs, and all futures of a branch, are told the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from planner.arrays import IntArray
from planner.program.blocks import Arrays, Program
from planner.solve.futures.apart import Apart
from planner.solve.native import Incremental
from planner.solve.tuning import TUNING

# Binaries worth a linear program each.
PROBED = ("campaign_place", "campaign_on")


def probed(program: Program) -> Program:
    """The program with what `ruled_out` finds fixed at zero."""
    return without(program, ruled_out(program))


def without(program: Program, columns: IntArray) -> Program:
    """The program with these columns at zero; they must have no lower bound above it.

    columns: (columns,) their numbers.
    """
    upper = program.master.upper.copy()
    upper[columns] = 0.0
    return replace(program, master=replace(program.master, upper=upper))


def ruled_out(program: Program) -> IntArray:
    """Columns of `PROBED` that are zero in every plan, because the master's rows have no point with one of them at one.

    None where those rows have no point at all: whoever solves the program will say so. (columns,) their numbers.
    """
    if not any(program.layout.columns.get(name, np.zeros(0)).size for name in PROBED):
        return np.zeros(0, np.int64)
    try:
        apart = Apart(program)
    except ValueError:
        return np.zeros(0, np.int64)
    found: list[int] = []
    known: dict[bytes, IntArray] = {}
    for future in range(apart.count):
        groups = [apart.of(future, name) for name in PROBED]
        columns = np.concatenate([index[program.master.upper[index] > 0] for index in groups])
        if 0 < len(columns) <= TUNING.probed:
            arrays, at = _master_of(program, apart, future, columns)
            mark = _mark(arrays, at)
            if mark not in known:
                known[mark] = _impossible(arrays, at)
            found += columns[known[mark]].tolist()
    return np.unique(np.array(found, np.int64))


def _master_of(program: Program, apart: Apart, future: int, columns: IntArray) -> tuple[Arrays, IntArray]:
    """The master's rows of one future, and where `columns` stand in them.

    Rows of training are left out: they can be met by falling short, and differ by future.
    """
    master = program.master
    names = sorted(program.layout.columns)
    which = np.concatenate([apart.of(future, name) for name in names])  # in one order for all futures
    short = apart.of(future, "training_shortfall")
    touched = np.zeros(master.columns)
    touched[short] = 1.0
    rows = np.flatnonzero(apart.rows[future] & (abs(master.matrix) @ touched == 0))
    weight = np.zeros(master.columns)  # sorts rows by what they say, so that branches with the same rows look the same
    weight[which] = np.random.default_rng(1).random(len(which))
    rows = rows[np.lexsort((master.row_upper[rows], master.row_lower[rows], np.round(master.matrix[rows] @ weight, 9)))]
    place = np.full(master.columns, -1)
    place[which] = np.arange(len(which))
    arrays = Arrays(
        master.matrix[rows][:, which],
        np.zeros(len(which)),
        master.lower[which],
        master.upper[which],
        master.row_lower[rows],
        master.row_upper[rows],
        np.zeros(len(which), bool),
    )
    return arrays, place[columns]


def _mark(arrays: Arrays, at: IntArray) -> bytes:
    """Tells apart what may give other answers."""
    digest = hashlib.blake2b(digest_size=16)
    matrix = arrays.matrix
    for part in (matrix.data, matrix.indices, matrix.indptr, arrays.lower, arrays.upper, at):
        digest.update(np.ascontiguousarray(part).tobytes())
    for side in (arrays.row_lower, arrays.row_upper):
        digest.update(np.ascontiguousarray(side).tobytes())
    return digest.digest()


def _impossible(arrays: Arrays, at: IntArray) -> IntArray:
    """Positions in `at` whose column cannot be one."""
    solver = Incremental(arrays)
    first = solver.solve(afresh=True)
    if first.status != "optimal":
        return np.zeros(0, np.int64)
    out = []
    for position, column in enumerate(at.tolist()):
        which = np.array([column])
        solver.bound(which, np.ones(1), np.ones(1))
        answer = solver.solve(basis=first.basis)
        solver.bound(which, arrays.lower[which], arrays.upper[which])
        if answer.status == "infeasible":
            out.append(position)
    return np.array(out, np.int64)
