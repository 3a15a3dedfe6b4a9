"""SCIP and HiGHS must agree: SCIP's mixed-integer-rounding cuts have cut off true optima here (decision 0002)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.program.blocks import flatten
from planner.program.build import build_program
from planner.solve.native import SCIP_SOUND, Settings, run

_SPEC = importlib.util.spec_from_file_location("small_case", Path(__file__).parents[1] / "conftest.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)


def document(power: float, budget: float) -> dict[str, Any]:
    return _MODULE.small(
        sites__0__power_mw=power,
        sites__0__phases=[],
        sites__1__power_mw=1.8,
        policy={"budget": [budget, 1.5 * budget, 1.5 * budget]},
    )


@pytest.mark.parametrize(("power", "budget"), [(2.2, 2e8), (2.3, 2e8), (2.3, 3e8), (1.9, 1.2e8)])
def test_scip_and_highs_find_the_same_optimum(power: float, budget: float) -> None:
    case = Case.model_validate(document(power, budget))
    arrays = flatten(build_program(case, given_demand(case)))
    scip, highs = (run(arrays, Settings(name, seconds=60, gap=1e-7)) for name in ("scip", "highs"))  # type: ignore[arg-type]
    assert highs.status == scip.status == "optimal"
    assert scip.objective == pytest.approx(highs.objective, rel=1e-5)
    assert scip.bound <= highs.objective * (1 + 1e-5)


def test_the_unsound_separators_are_off() -> None:
    asked = Settings("scip").parameters().gscip.int_params
    for name, value in SCIP_SOUND:
        assert asked[name] == value == -1
