"""What a plan decides, as arrays by branch: read from its tables, written into a program as fixed columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.case import Case, WorkloadKind
from planner.plan.plan import Plan
from planner.program.blocks import Program
from planner.program.decisions import DECISIONS, Decision, Source, followed


@dataclass(frozen=True)
class Decisions:
    """Decisions of a plan by name of the columns, (branches, ...) each as in `docs/model.md` §3, and the states
    that follow from them (`planner.program.decisions`).
    """

    values: Mapping[str, FloatArray]

    @property
    def branches(self) -> int:
        """Branches that decide apart."""
        return int(self.values["stock"].shape[0])

    def branch(self, index: int) -> dict[str, FloatArray]:
        """One branch's values, with a leading axis of one. (1, ...) each."""
        return {name: array[index : index + 1] for name, array in self.values.items()}


def branches_of(plan: Plan) -> int:
    """How many branches a plan has: one, or one for each future where late orders may differ."""
    commit = plan.case.horizon.commit_periods
    split = commit is not None and commit < plan.case.horizon.periods and len(plan.demand) > 1
    return len(plan.demand) if split else 1


def decided_about(case: Case) -> dict[str, list[object]]:
    """By axis of decisions, what stands along it. Decisions of one case mean the same in another with the same."""
    return {
        "site": [s.id for s in case.sites],
        "module_type": [k.id for k in case.module_types],
        "period": list(range(case.horizon.periods)),
        "phase": [(s.id, p) for s in case.sites for p in range(len(s.phases))],
        "lease": [x.id for x in case.leases],
        "departure": [(i, s) for i, x in enumerate(case.fleet) for s in ([""] if x.may_retire else []) + x.may_move_to],
        "agreement": [x.id for x in case.agreements],
        "break": [(x.id, b.from_modules) for x in case.agreements for b in x.breaks],
        "campaign": [c.id for c in case.campaigns],
        "workload": [w.id for w in case.workloads],
        "training": [w.id for w in case.workloads if w.kind is WorkloadKind.training],
    }


def decisions_of(plan: Plan) -> Decisions:
    """The decisions in a plan's tables, and what follows from them."""
    case = plan.case
    B = branches_of(plan)
    sets = decided_about(case)
    places = {name: {item: i for i, item in enumerate(items)} for name, items in sets.items()}

    def read(decision: Decision, source: Source) -> FloatArray:
        table = plan.tables[source.table]
        at = []
        for index, column in zip(decision.index, source.axes, strict=True):
            # a phase is told by its site and its place in the site's list, a departure by where from and where to
            beside = {"phase": "site", "departure": "fleet_row"}.get(index)
            cells = table[column] if beside is None else zip(table[beside], table[column], strict=True)
            at.append(np.array([places[index][cell] for cell in cells], int))
        amount = np.ones(len(table)) if source.amount is None else table[source.amount].to_numpy(float)
        branch = table["branch"].to_numpy(int)
        out = np.zeros((B, *(len(sets[index]) for index in decision.index)))
        for b in range(B):
            mine = (branch == -1) | (branch == b)
            np.add.at(out[b], tuple(a[mine] for a in at), amount[mine])
        return out

    values: dict[str, FloatArray] = {}
    for decision in DECISIONS.values():
        if decision.source is not None:
            values[decision.id] = read(decision, decision.source)
    return Decisions(followed(case, values))


def fixed(
    program: Program,
    values: Mapping[str, FloatArray],
    names: Iterable[str],
    *,
    shared: bool = False,
    only: Mapping[str, BoolArray] | None = None,
) -> Program:
    """The program with the named decisions fixed.

    values: (1, ...) or (branches, ...) by name. shared: only where all branches share a decision, so that what may
    adapt to a future stays free. only: by name, (1, ...) or (branches, ...) which of them.
    """
    lower, upper = program.master.lower.copy(), program.master.upper.copy()
    for name in names:
        index = program.layout.columns[name]
        value = np.broadcast_to(values[name], index.shape)
        real = index >= 0
        if shared:
            real = real & (index == index[:1]).all(axis=0)
        if only is not None:
            real = real & only[name]
        lower[index[real]] = upper[index[real]] = np.round(value[real])
    return replace(program, master=replace(program.master, lower=lower, upper=upper))


def settled(program: Program) -> Program:
    """The program with columns that have one value left no longer whole: what is left may be a linear program."""
    master = program.master
    return replace(program, master=replace(master, integer=master.integer & (master.lower < master.upper)))


def usable_pflops(case: Case, stock: FloatArray, leased: FloatArray) -> FloatArray:
    """(B, T) installed dense FP16 PFLOPS after availability. stock, leased: (B, S, K, T) modules."""
    weight = np.array([k.module_pflops * k.availability for k in case.module_types])
    return np.asarray(np.einsum("bskt,k->bt", stock + leased, weight), float)


def leased_modules(case: Case, lease_active: FloatArray) -> FloatArray:
    """(B, S, K, T) leased modules. lease_active: (B, L, T)."""
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    out = np.zeros((lease_active.shape[0], len(sites), len(types), case.horizon.periods))
    for i, lease in enumerate(case.leases):
        out[:, sites[lease.site], types[lease.module_type]] += lease_active[:, i]
    return out
