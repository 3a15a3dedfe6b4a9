"""Requests that cannot be met: which limits stand in the way, and the smallest change that helps.

Every limit that an owner can move gets an elastic slack. First one kind of limit at a time: if relaxing it alone makes
a plan possible, that is an answer by itself ("raise the budget of 2027Q3 by ..."). Only when no single kind helps are
all relaxed together. Costs play no part; slack is measured against the size of its limit, so that the least relative
change is found, and solved again with weights 1 / (slack + epsilon) to leave as few limits as possible
(Candes, Wakin and Boyd 2008).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.case import Case
from planner.case.errors import Problem
from planner.demand import Demand
from planner.program.blocks import Arrays, Program, flatten
from planner.program.build import build_program
from planner.program.instance import Instance
from planner.program.places import row_place
from planner.program.registry import FAMILIES
from planner.program.reserve import KIND as RESERVE
from planner.program.serving import service_workloads
from planner.solve import solve_lp

_TOLERANCE = 1e-6
_MERGED_STEPS = 6
_BLOCK_SLACK = ("minimum_service", "carbon_part", "green_part", "utilisation_part", "resilience_demand")


@dataclass(frozen=True)
class Slack:
    """One limit's slack: its family, where it is (position in the family's index sets), and its row's sign."""

    family: str
    name: str
    position: tuple[int, ...]
    sign: float


def smallest_relaxation(case: Case, demand: Demand, *, seconds: float = 60.0) -> list[Problem]:
    """Problems that name the fewest limits to move, each with the amount missing; empty when a plan exists.

    The amounts come from a relaxation (fractions of modules, merged hours): they are what is needed at least.
    """
    program = untightened(build_program(case, demand, merge_steps=_MERGED_STEPS))
    base = flatten(program)
    slacks, columns, weight, blocks = _slack_columns(program)
    begun = time.monotonic()
    families = list(dict.fromkeys(s.family for s in slacks))
    if _amounts(base, slacks, columns, weight, blocks, set(), program) is not None:
        return []
    found = []
    for family in families:
        if time.monotonic() - begun > seconds:
            break
        amounts = _amounts(base, slacks, columns, weight, blocks, {family}, program)
        if amounts is not None:
            found.append(_problem(program, family, slacks, amounts, alone=True))
    if not found:
        amounts = _amounts(base, slacks, columns, weight, blocks, set(families), program)
        if amounts is not None:
            used = {s.family for s, a in zip(slacks, amounts, strict=True) if a > _TOLERANCE}
            found = [_problem(program, f, slacks, amounts, alone=False) for f in families if f in used]
    return found


def untightened(program: Program) -> Program:
    """The program without the bounds on orders that follow from power, space, supply and budget: these may now move."""
    inst: Instance = program.facts["instance"]
    orders = program.layout.columns["orders"]
    upper, row_upper = program.master.upper.copy(), program.master.row_upper.copy()
    reachable = np.arange(orders.shape[-1]) >= inst.lead[:, None]
    upper[orders] = np.where(reachable, np.inf, upper[orders])
    if "order_charge" in program.layout.rows:
        row_upper[program.layout.rows["order_charge"].index] = np.inf
    return replace(program, master=replace(program.master, upper=upper, row_upper=row_upper))


def _slack_columns(program: Program) -> tuple[list[Slack], sp.csc_matrix, FloatArray, dict[str, IntArray]]:
    """Slack on every movable master row: descriptions, (rows, slacks) columns, weights; and block slack by family."""
    master = program.master
    slacks: list[Slack] = []
    rows: list[int] = []
    signs: list[float] = []
    weights: list[float] = []
    size = np.asarray(abs(master.matrix).max(axis=1).todense()).ravel()
    for name, group in program.layout.rows.items():
        if not FAMILIES[group.family].relax:
            continue
        for position, row in np.ndenumerate(group.index):
            lower, upper = master.row_lower[row], master.row_upper[row]
            for bound, sign in ((upper, -1.0), (lower, 1.0)):
                if np.isfinite(bound):
                    slacks.append(Slack(group.family, name, position, sign))
                    rows.append(int(row))
                    signs.append(sign)
                    weights.append(1 / max(abs(float(bound)), float(size[row]), 1e-6))
    shape = (master.rows, len(slacks))
    columns = sp.csc_matrix((signs, (rows, np.arange(len(slacks)))), shape=shape)
    starts = master.columns + np.concatenate([[0], np.cumsum([len(b.cost) for b in program.blocks])]).astype(int)
    own: dict[str, list[int]] = {}
    for start, block in zip(starts, program.blocks, strict=False):
        if block.key.kind == RESERVE:
            own.setdefault("build_ahead", []).extend((start + block.layout.columns["shortfall"].ravel()).tolist())
        for family in _BLOCK_SLACK:
            if family in block.layout.rows:
                row_numbers = block.layout.rows[family].index.ravel()
                for kind in ("slack_service", "slack_limit"):
                    if kind in block.layout.columns:
                        candidates = block.layout.columns[kind].ravel()
                        touched = block.matrix[row_numbers][:, candidates].getnnz(axis=0) > 0
                        own.setdefault(family, []).extend((start + candidates[touched]).tolist())
    return slacks, columns, np.array(weights), {f: np.array(c, int) for f, c in own.items() if c}


def _amounts(
    base: Arrays,
    slacks: list[Slack],
    columns: sp.csc_matrix,
    weight: FloatArray,
    blocks: dict[str, IntArray],
    families: set[str],
    program: Program,
) -> FloatArray | None:
    """Least slack on the families that makes the rest possible, (slacks,); None when that is not enough."""
    keep = np.array([s.family in families for s in slacks], bool)
    pad = sp.csc_matrix((base.rows - columns.shape[0], int(keep.sum())))
    extra = sp.vstack([columns[:, keep], pad]).tocsr()
    upper = base.upper.copy()
    # Slack inside blocks is a last resort with a price: here it is closed, so that limits are met in earnest.
    for members in blocks.values():
        upper[members] = 0.0
    n = int(keep.sum())
    arrays = Arrays(
        sp.hstack([base.matrix, extra]).tocsr(),
        np.concatenate([np.zeros(base.columns), weight[keep]]),
        np.concatenate([base.lower, np.zeros(n)]),
        np.concatenate([upper, np.full(n, np.inf)]),
        base.row_lower,
        base.row_upper,
        np.zeros(base.columns + n, bool),
    )
    first = solve_lp(arrays)
    if first.status != "optimal":
        return None
    found = first.x[base.columns :]
    if n:
        sharper = replace(
            arrays, cost=np.concatenate([np.zeros(base.columns), weight[keep] / (found * weight[keep] + 1e-3)])
        )
        second = solve_lp(sharper)
        if second.status == "optimal":
            found = second.x[base.columns :]
    out = np.zeros(len(slacks))
    out[keep] = found
    return out


def _problem(program: Program, family: str, slacks: list[Slack], amounts: FloatArray, *, alone: bool) -> Problem:
    record = FAMILIES[family]
    parts = [
        f"{_where(program, s)}: {_amount(program, s, a)}"
        for s, a in zip(slacks, amounts, strict=True)
        if s.family == family and a > _TOLERANCE
    ]
    verb = "this alone makes a plan possible" if alone else "needed together with the others"
    return Problem(
        f"/{record.relax.replace('.', '/')}",
        f"{record.sentence} It cannot hold with the other limits",
        f"a change of at least {'; '.join(parts) or 'a little'}",
        verb,
    )


def _where(program: Program, slack: Slack) -> str:
    """The row in the case's words."""
    place = row_place(program.facts["instance"], slack.family, slack.name, slack.position)
    return " ".join(f"future {v}" if k == "future" else v for k, v in place.items()) or slack.family


def _amount(program: Program, slack: Slack, amount: float) -> str:
    inst: Instance = program.facts["instance"]
    unit = FAMILIES[slack.family].unit
    if unit == "currency":
        return f"{amount * program.money_unit:,.0f} {inst.case.meta.currency}"
    if slack.family in ("training", "training_service"):
        job = inst.of_kind_training()[slack.position[1]]
        return f"{amount * inst.unit_scale[job]:,.3g} {inst.workload(job).unit} on average"
    if slack.family == "campaign_work":
        return f"{amount * inst.case.campaigns[slack.position[1]].card_days:,.0f} card-days"
    return f"{amount:,.3g} {unit}"


def service_slack(program: Program, blocks: list[FloatArray]) -> list[Problem]:
    """Limits inside typical days that a solution breaks, each with the largest amount missing; empty when none is.

    Service levels, carbon, green share, utilisation and resilience carry a priced slack in their blocks, so that every
    plan of orders can be evaluated. A plan that uses it is refused.
    """
    inst: Instance = program.facts["instance"]
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    named = service_workloads(inst)
    for block, y in zip(program.blocks, blocks, strict=True):
        t = inst.case.horizon.period_label(block.key.period)
        if block.key.kind == RESERVE:
            left = float(y[block.layout.columns["shortfall"]].sum())
            _keep(
                worst, ("policy.build_ahead.minimum", t), left, "of the multiple's work on a typical day, scaled units"
            )
            continue
        service = y[block.layout.columns["slack_service"]]
        if block.key.kind == "outage":
            total = float(service.sum())
            site = inst.case.sites[block.key.day].id
            _keep(worst, ("policy.resilience", f"{t} without {site}"), total, "scaled units at the peak hour")
            continue
        for i, amount in enumerate(service):
            spec = inst.workload(int(named[i]))
            size = float(amount) * float(inst.unit_scale[named[i]])
            _keep(worst, ("workloads.minimum_service", f"{spec.id} {t}"), size, f"{spec.unit}-hours on a typical day")
        for i, (path, unit) in enumerate(
            (
                ("policy.carbon_cap_tonnes", "t"),
                ("policy.green_share_floor", "MWh"),
                ("policy.utilisation_floor", "module-hours"),
            )
        ):
            _keep(worst, (path, t), float(y[block.layout.columns["slack_limit"][i]]), unit)
    grouped: dict[str, list[str]] = {}
    for (path, where), (amount, unit) in worst.items():
        if amount > 1e-5:
            grouped.setdefault(path, []).append(f"{where}: {amount:,.4g} {unit}")
    return [
        Problem(
            f"/{path.replace('.', '/')}", "it cannot hold with the other limits", f"a change of at least {'; '.join(p)}"
        )
        for path, p in grouped.items()
    ]


def _keep(worst: dict[tuple[str, str], tuple[float, str]], key: tuple[str, str], amount: float, unit: str) -> None:
    if amount > worst.get(key, (0.0, ""))[0]:
        worst[key] = (amount, unit)
