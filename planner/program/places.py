"""Places of rows and limits in the case's own words."""

from __future__ import annotations

from planner.case import WorkloadKind
from planner.program.instance import Instance
from planner.program.power import phase_places
from planner.program.registry import FAMILIES


def row_place(inst: Instance, family: str, name: str, position: tuple[int, ...]) -> dict[str, str]:
    """Index set -> word for one row of a family: site, type, period label, workload and so on.

    name: the row group's name; what follows "|" in it (a vendor) is a place of its own. Branches and futures are named
    only where there is more than one.
    """
    case = inst.case
    names: dict[str, list[str]] = {
        "site": [s.id for s in case.sites],
        "module_type": [k.id for k in case.module_types],
        "period": [case.horizon.period_label(t) for t in range(case.horizon.periods)],
        "workload": [w.id for w in case.workloads if w.kind is WorkloadKind.training],
        "lease": [x.id for x in case.leases],
        "campaign": [c.id for c in case.campaigns],
        "phase": [f"{case.sites[s].id} phase {p + 1}" for s, p in phase_places(inst)],
    }
    axes = [a for a in FAMILIES[family].index.split() if a != "vendor"]
    if family == "phase_count":
        axes = ["branch", "phase"]
    out = {"vendor": name.partition("|")[2]} if "|" in name else {}
    several = {"branch": inst.branches, "future": len(inst.probability)}
    for axis, i in zip(axes, position, strict=False):
        if axis in several:
            if several[axis] > 1:
                out["future"] = str(i)
        elif axis in names and i < len(names[axis]):
            out[axis] = names[axis][i]
    return out
