"""The tables of a plan and their schema: names, types and units of every column.

The schema is the contract between the plan, its verifier, the replay, the figures, the files and the API. Money is in
the case's currency and undiscounted unless the name says `discounted`. `branch` is the future that a late order belongs
to, or -1 when it is the same in every future. Rates are means over a step, in the workload's unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

Kind = Literal["string", "integer", "number", "date"]
_DTYPE = {"string": "object", "integer": "int64", "number": "float64", "date": "object"}


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind
    unit: str
    description: str


@dataclass(frozen=True)
class Table:
    name: str
    title: str
    columns: tuple[Column, ...]

    def frame(self, data: Mapping[str, Any]) -> pd.DataFrame:
        """A data frame with exactly these columns and types, from arrays of equal length."""
        if set(data) != {c.name for c in self.columns}:
            odd = set(data) ^ {c.name for c in self.columns}
            raise ValueError(f"table {self.name}: columns {sorted(odd)} do not fit its schema")
        return pd.DataFrame({c.name: pd.Series(data[c.name], dtype=_DTYPE[c.kind]) for c in self.columns})

    def completed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame, with 0 in amounts not known when it was written, and columns by the names that they have now."""
        frame = frame.rename(columns=_FORMER.get(self.name, {}))
        newer = {c.name: 0.0 for c in self.columns if c.kind == "number" and c.name not in frame}
        return frame.assign(**newer) if newer else frame


# What columns of saved plans were called before.
_FORMER = {"agreements": {"signed": "signs"}}


def described_table(name: str, title: str, columns: str) -> Table:
    """`columns`: one line a column, "name kind unit description"."""
    parsed = []
    for line in columns.strip().splitlines():
        column, kind, unit, description = line.split(maxsplit=3)
        if kind not in _DTYPE:
            raise ValueError(f"{name}.{column}: kind {kind}")
        parsed.append(Column(column, kind, "" if unit == "-" else unit, description))  # type: ignore[arg-type]
    return Table(name, title, tuple(parsed))


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        described_table(
            "orders",
            "What to order, when and for where",
            """
            branch integer - future of a late order, -1 when the same in all
            order_period integer - period in which the order is placed
            arrival_period integer - period from whose start the modules are in service
            order_date date - first day of the order period
            arrival_date date - first day of the arrival period
            site string - site
            module_type string - module type
            modules integer modules whole modules
            cards integer cards accelerators
            pflops number PFLOPS dense FP16
            capex number currency price of the modules, less what agreements take off it
            order_cost number currency charge of the order itself
            """,
        ),
        described_table(
            "phases",
            "Power and building phases",
            """
            branch integer - future of a late order, -1 when the same in all
            order_period integer - period in which the phase is ordered
            arrival_period integer - period from whose start it is in service
            order_date date - first day of the order period
            arrival_date date - first day of the arrival period
            site string - site
            phase integer - position in the site's list of phases
            count integer - how many
            mw number MW facility power added
            capex number currency price
            """,
        ),
        described_table(
            "openings",
            "Candidate sites opened",
            """
            branch integer - future of a late decision, -1 when the same in all
            period integer - period from whose start the site is open
            site string - site
            cost number currency opening cost
            """,
        ),
        described_table(
            "departures",
            "Modules of the fleet that are retired early or moved to another site",
            """
            branch integer - future of a late decision, -1 when the same in all
            period integer - period from whose start they are out of service
            date date - first day of the period
            fleet_row integer - position in the case's fleet
            site string - site that they leave
            module_type string - module type
            modules integer modules whole modules
            to_site string - site that they are moved to, empty when they are retired
            in_service_period integer - period from whose start they serve there, -1 when they are retired
            freed_mw number MW peak facility power that they no longer draw at the site
            price number currency removal or moving; below 0 what is received
            """,
        ),
        described_table(
            "agreements",
            "Agreements in force: what is called off in each of their periods, at what price, what is missing",
            """
            branch integer - branch, -1 when the same in all
            agreement string - agreement
            period integer - period in which what counts is ordered
            date date - first day of the period
            signs integer - 1 where the plan signs it in this period (0 too where it holds without that)
            called_off integer modules modules ordered in the period that it counts
            to_date integer modules the same up to the period, with what was called off before the horizon
            discount number - share of the price by which the period's modules are cheaper
            saved number currency what this takes off their price
            missing integer modules modules of its commitment that were not called off (in its last period)
            paid number currency price of what is missing
            """,
        ),
        described_table(
            "purchases",
            "Everything to sign over the horizon, in one list: modules, phases, openings",
            """
            branch integer - future of a late decision, -1 when the same in all
            kind string - module, phase or opening
            order_period integer - period in which it is decided and signed
            arrival_period integer - period from whose start it is in service
            order_date date - first day of the order period
            arrival_date date - first day of the arrival period
            site string - site
            item string - module type, position of the phase at its site, or empty
            count integer - how many
            cards integer cards accelerators
            pflops number PFLOPS dense FP16
            mw number MW facility power added
            price number currency price, with the charge of the order itself
            """,
        ),
        described_table(
            "cash",
            "What falls due in each period, against its budget",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            prepaid number currency shares of modules paid when they are ordered
            on_arrival number currency what is left of their price, paid when they arrive
            order_charges number currency charges of orders that arrive
            phases number currency phases that arrive
            openings number currency sites opened
            due number currency sum of these, which the budget limits
            budget number currency budget of the period (empty: none)
            leases number currency rent of leased modules, outside of the budget
            departures number currency removal and moving less what is received, outside of the budget
            commitments number currency price of what is missing of commitments, outside of the budget
            """,
        ),
        described_table(
            "unserved",
            "Work that is asked for and not served (mean over futures)",
            """
            period integer - period
            workload string - workload
            asked_unit_hours number unit-hours asked
            unserved_unit_hours number unit-hours not served
            unavoidable_unit_hours number unit-hours of it, before anything that is ordered or leased can arrive
            """,
        ),
        described_table(
            "leases",
            "Leased modules",
            """
            branch integer - future of a late decision, -1 when the same in all
            period integer - period
            lease string - lease
            site string - site
            module_type string - module type
            started integer modules leases that start in the period
            active integer modules leased in the period
            cost number currency price of the period
            """,
        ),
        described_table(
            "stock",
            "What stands",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            site string - site
            module_type string - module type
            owned number modules standing and arrived, not yet retired
            leased number modules leased
            pflops number PFLOPS dense FP16, owned and leased
            power_mw number MW peak facility power of what draws on the site
            """,
        ),
        described_table(
            "gangs",
            "Training gangs",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            workload string - training workload
            site string - site
            module_type string - module type
            gangs integer gangs whole gangs
            modules integer modules modules that they hold, at work or not
            """,
        ),
        described_table(
            "pools",
            "Large pools",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            workload string - workload that all modules of the type at the site serve as one pool
            site string - site
            module_type string - module type
            """,
        ),
        described_table(
            "campaigns",
            "Training campaigns",
            """
            branch integer - branch, -1 when the same in all
            campaign string - campaign
            period integer - period
            site string - site
            module_type string - module type
            modules integer modules modules held while it is on
            on integer - 1 when the gang holds its modules in this period
            share number - share of the period that it runs (busy)
            """,
        ),
        described_table(
            "training",
            "Training work",
            """
            future integer - future
            period integer - period
            workload string - training workload
            demand_unit_hours number unit-hours asked
            delivered_unit_hours number unit-hours what the gangs at work deliver
            shortfall_unit_hours number unit-hours not served
            held_module_hours number module-hours that the gangs hold
            busy_module_hours number module-hours in which they are at work
            """,
        ),
        described_table(
            "placement",
            "Where demand is served (typical days)",
            """
            future integer - future
            period integer - period
            day integer - typical day
            step integer - step of the day
            workload string - workload
            region string - region
            site string - site
            served number unit rate served
            """,
        ),
        described_table(
            "load",
            "Busy modules (typical days)",
            """
            future integer - future
            period integer - period
            day integer - typical day
            step integer - step of the day
            site string - site
            module_type string - module type
            workload string - workload, or campaign
            busy number modules modules at work: what the placed work needs
            """,
        ),
        described_table(
            "shortfall",
            "Demand not served (typical days)",
            """
            future integer - future
            period integer - period
            day integer - typical day
            step integer - step of the day
            workload string - workload
            region string - region
            shortfall number unit rate not served
            """,
        ),
        described_table(
            "unfinished",
            "Campaigns not finished",
            """
            branch integer - branch, -1 when the same in all
            campaign string - campaign
            share number - share of the job that is missing
            """,
        ),
        described_table(
            "billed",
            "Billed demand",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            site string - site
            month integer - calendar month, 1 to 12
            billed_kw number kW declared facility demand of the month
            cost number currency demand charge of the month
            """,
        ),
        described_table(
            "owed",
            "Owed beyond the horizon",
            """
            branch integer - future of a late decision, -1 when the same in all
            kind string - lease, order, order charge, phase or opening
            item string - lease, module type, phase or site
            site string - site
            period integer - period in which it starts or arrives
            count integer - how many
            periods_left integer periods of its term or life after the horizon
            undiscounted number currency what is then still to be paid
            discounted number currency the same in money of the horizon's start
            counted integer - 1 when it is in the cost
            """,
        ),
        described_table(
            "capacity",
            "Capacity against demand",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            start date - first day of the period
            installed_pflops number PFLOPS dense FP16, owned and leased
            usable_pflops number PFLOPS after availability
            p50_peak_pflops number PFLOPS installed-PFLOPS equivalent of the P50 peak
            p90_peak_pflops number PFLOPS the same for P90
            capacity_to_peak number - usable / P50 peak
            build_ahead_ratio number - largest multiple of the P50 demand that what stands can serve in full
            months_ahead number months until the P50 peak is so many times what it is (to the horizon's end at most)
            binding_day string - typical day on which the ratio binds
            binding_hour string - time of that day at which most of it binds (empty where none does by itself)
            binding_workloads string - work that competes there, the most first
            binding_sites string - sites that are full there, the most first
            """,
        ),
        described_table(
            "ratio_gangs",
            "Training gangs with which the build-ahead ratio is reached",
            """
            branch integer - branch, -1 when the same in all
            period integer - period
            workload string - training workload
            site string - site
            module_type string - module type
            gangs integer gangs whole gangs
            """,
        ),
        described_table(
            "utilisation",
            "Use of what stands (mean over futures)",
            """
            period integer - period
            site string - site
            module_type string - module type
            owned number modules owned and leased
            rack_occupancy number - racks used / racks of the site (empty when the case gives none)
            mean_busy number - busy / installed module-hours: at work
            mean_held number - module-hours taken / installed: at work, or held by gangs and campaigns that stand still
            peak_busy number - largest share busy in any step
            """,
        ),
        described_table(
            "energy",
            "Energy by site, period and tariff band (mean over futures)",
            """
            period integer - period
            site string - site
            band string - tariff band, or mean
            it_mwh number MWh at the machines
            facility_mwh number MWh with cooling
            cost number currency energy cost
            """,
        ),
        described_table(
            "carbon",
            "Emissions (mean over futures)",
            """
            period integer - period
            site string - site
            facility_mwh number MWh with cooling
            location_tonnes number t location-based
            market_tonnes number t market-based
            cost number currency carbon price paid
            """,
        ),
        described_table(
            "costs",
            "Cost by term",
            """
            future integer - future
            term string - term of the objective
            period integer - period
            site string - site, empty when the term has none
            discounted number currency as in the objective
            undiscounted number currency in money of the period
            """,
        ),
    )
}


def schema(tables: Iterable[Table] = TABLES.values()) -> dict[str, Any]:
    """A Frictionless-style description of tables, those of a plan if left out, with units."""
    return {
        "resources": [
            {
                "name": table.name,
                "title": table.title,
                "schema": {
                    "fields": [
                        {"name": c.name, "type": c.kind, "unit": c.unit, "description": c.description}
                        for c in table.columns
                    ]
                },
            }
            for table in tables
        ]
    }
