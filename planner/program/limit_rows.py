"""Which rows of a program hold the number of a case's field."""

from __future__ import annotations

import numpy as np

from planner.arrays import IntArray
from planner.case import WorkloadKind
from planner.case.movable import LimitField
from planner.program.blocks import Program
from planner.program.instance import Instance
from planner.program.origins import find_origins
from planner.program.power import phase_places
from planner.program.serving import find_cells, service_workloads

_NONE: IntArray = np.zeros(0, np.int64)


def master_rows(program: Program, inst: Instance, field: LimitField) -> IntArray:
    """(copies, periods) rows of the master, a copy for each branch or future; (0, periods) where none hold the field.

    Only of fields with a number a period whose family of rows has the same name.
    """
    T = inst.case.horizon.periods
    group = program.layout.rows.get(field.kind)
    if group is None or field.spread == "whole":
        return np.zeros((0, T), np.int64)
    if "site" in field.place:
        return group.index[:, [s.id for s in inst.case.sites].index(field.place["site"])]
    if "module_type" in field.place:
        return group.index[:, [k.id for k in inst.case.module_types].index(field.place["module_type"])]
    return group.index


def flat_rows(program: Program, field: LimitField) -> dict[int, IntArray]:
    """Rows of the program in one piece that hold the field's number, by period (0 for a field of one number).

    (rows,) each.
    """
    inst = program.inst
    rows = program.layout.rows
    T = inst.case.horizon.periods
    if field.spread != "whole" and field.kind in rows:
        index = master_rows(program, inst, field)
        return {t: index[:, t].ravel() for t in range(T)}
    if field.kind == "vendor_share":
        group = rows.get(f"vendor_share|{field.place['vendor']}")
        return {} if group is None else {0: group.index.ravel()}
    if field.kind == "phase_count":
        site = [s.id for s in inst.case.sites].index(field.place["site"])
        place = phase_places(inst).index((site, int(field.place["phase"]) - 1))
        return {0: rows["phase_count"].index[:, place].ravel()}
    if field.kind == "min_order" and "order_minimum" in rows:
        kind = [k.id for k in inst.case.module_types].index(field.place["module_type"])
        on = program.layout.columns["order_on"]
        return {0: rows["order_minimum"].index[np.nonzero(on >= 0)[2] == kind]}
    if field.kind == "minimum_service":
        return {0: _service_rows(program, inst, field.place["workload"])}
    if field.kind == "bandwidth":
        return _bandwidth_rows(program, inst, field)
    return {}


def _service_rows(program: Program, inst: Instance, id: str) -> IntArray:
    w = [one.id for one in inst.case.workloads].index(id)
    if inst.workload(w).kind is WorkloadKind.training:
        group = program.layout.rows.get("training_service")
        return _NONE if group is None else group.index[:, inst.of_kind_training().index(w)].ravel()
    at = [int(x) for x in service_workloads(inst)].index(w)
    return _block_rows(program, "minimum_service", at)


def _bandwidth_rows(program: Program, inst: Instance, field: LimitField) -> dict[int, IntArray]:
    band = find_cells(inst, find_origins(inst)).band
    pair = (
        [r.id for r in inst.case.regions].index(field.place["region"]),
        [s.id for s in inst.case.sites].index(field.place["site"]),
    )
    at = [i for i, row in enumerate(band) if tuple(int(x) for x in row) == pair]
    if not at:
        return {}
    return {t: _block_rows(program, "bandwidth", at[0], t) for t in range(inst.case.horizon.periods)}


def _block_rows(program: Program, family: str, at: int, period: int | None = None) -> IntArray:
    """Rows of one member of a family in every typical day, counted in the program in one piece."""
    start, out = program.master.rows, []
    for block in program.blocks:
        if block.key.kind == "day" and (period is None or block.key.period == period):
            out.append(start + np.atleast_1d(block.layout.rows[family].index[at]).ravel())
        start += len(block.row_lower)
    return np.concatenate(out) if out else _NONE
