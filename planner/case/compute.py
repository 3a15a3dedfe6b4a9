"""Workloads of any unit in one measure: installed PFLOPS."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray
from planner.case.case import Case
from planner.case.workloads import WorkloadKind


def pflops_per_unit(case: Case) -> FloatArray:
    """(W,) installed dense FP16 PFLOPS that one unit needs (docs/model.md §6)."""
    out = []
    for w in case.workloads:
        types = [k for k in case.module_types if k.id in w.throughput]
        burst = w.burst_factor if w.kind is WorkloadKind.online else 1.0
        need = [burst * k.peak_pflops / (w.throughput[k.id] * w.max_utilisation) for k in types]
        out.append(w.pflops_per_unit if w.pflops_per_unit is not None else float(np.mean(need)) if need else 0.0)
    return np.array(out)
