"""Case and demand in, program out: the model's table of contents."""

from __future__ import annotations

from dataclasses import replace

from planner.case import Case
from planner.demand import Demand
from planner.program.blocks import Layout, Program
from planner.program.capacity import add_agreements, add_departures, add_leases, add_orders, add_stock
from planner.program.days import add_period_limits, day_blocks
from planner.program.instance import Instance, make_instance
from planner.program.master import Master
from planner.program.merge import merge_steps as merged
from planner.program.outage import outage_blocks
from planner.program.policy import add_budget, add_capacity_policies, add_shares, add_type_limits
from planner.program.pools import add_pools
from planner.program.power import add_billed_power, add_openings, add_phases, add_site_limits
from planner.program.reserve import add_build_ahead, reserve_blocks
from planner.program.risk import add_objective
from planner.program.training import add_campaigns, add_gangs, add_gangs_fit


def build_master(inst: Instance) -> Master:
    """Everything decided outside a typical day."""
    master = Master(inst)
    add_orders(master)
    add_agreements(master)
    add_leases(master)
    add_departures(master)
    add_stock(master)
    add_phases(master)
    add_openings(master)
    add_site_limits(master)
    add_billed_power(master)
    add_gangs(master)
    add_campaigns(master)
    add_pools(master)
    add_gangs_fit(master)
    add_budget(master)
    add_shares(master)
    add_type_limits(master)
    add_capacity_policies(master)
    add_build_ahead(master)
    add_period_limits(master)
    return master


def build_program(case: Case, demand: Demand, *, merge_steps: int | None = None, pooled: bool = False) -> Program:
    """The model of docs/model.md as a master and blocks.

    merge_steps: at most so many steps a day in the blocks: the same master, each block a relaxation (see `merge`).
    pooled: regions with the same sites as one origin, another relaxation (see `origins`).
    """
    inst = replace(make_instance(case, demand), pooled=pooled)
    master = build_master(inst)
    cost, risk = add_objective(master)
    arrays = replace(master.arrays(), cost=cost)
    inner = inst if merge_steps is None else merged(inst, merge_steps)
    blocks = (
        *day_blocks(inner, master),
        *outage_blocks(inst, master),
        *reserve_blocks(inst, master, merge_steps=merge_steps),
    )
    layout = Layout(master.columns, master.rows)
    return Program(arrays, layout, blocks, inst.money_unit, risk, inst)
