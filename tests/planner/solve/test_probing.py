"""What the limits on decisions rule out: nothing that a plan could have, and all futures are told the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.program.blocks import Arrays, Program
from planner.program.build import build_program
from planner.program.tighten import tightened
from planner.solve.native import Settings, run
from planner.solve.probing import PROBED, probed, ruled_out

Document = Callable[..., dict[str, Any]]
CAMPAIGN = {"id": "c", "names": "C", "earliest": 1, "due": 2, "speed": {"a": 1, "b": 3}, "card_days": 300000}


def made(document: dict[str, Any]) -> Program:
    case = Case.model_validate(document)
    return tightened(build_program(case, given_demand(case), merge_steps=1))


def any_master(program: Program, column: int) -> Arrays:
    """The master's rows in whole numbers with this column at one."""
    lower = program.master.lower.copy()
    lower[column] = 1.0
    return replace(program.master, lower=lower, cost=np.zeros(program.master.columns))


@pytest.mark.parametrize(("cards", "supply"), [(2000, 100), (5000, 12), (9000, 20), (9000, 0)])
def test_what_is_ruled_out_is_in_no_plan(cards: int, supply: int, small: Document) -> None:
    limits = {f"module_types__{k}__supply": supply for k in (0, 1)}
    program = made(small(campaigns=[{**CAMPAIGN, "gang_cards": cards, "value": 4e9}], **limits))
    closed = ruled_out(program)
    tried = [int(c) for n in PROBED for c in program.layout.columns[n].ravel() if program.master.upper[c] > 0]
    for column in tried:
        answer = run(any_master(program, column), Settings("highs", seconds=30))
        if column in closed:
            assert answer.status == "infeasible"
    assert set(closed.tolist()) <= set(tried)
    if supply == 0:
        assert len(closed) == len(tried) > 0  # nothing that stands is enough for it
    if supply == 100:
        assert len(closed) < len(tried)
    assert (probed(program).master.upper[closed] == 0).all()


def test_a_program_without_campaigns_or_without_any_point_is_left_alone(small: Document) -> None:
    assert not len(ruled_out(made(small())))
    program = made(small(campaigns=[{**CAMPAIGN, "gang_cards": 9000, "value": 4e9}], module_types__1__supply=0))
    rows = program.master.row_upper.copy()
    rows[0] = -1e9
    lower = program.master.row_lower.copy()
    lower[0] = -np.inf
    impossible = replace(program, master=replace(program.master, row_upper=rows, row_lower=lower))
    assert not len(ruled_out(impossible))
