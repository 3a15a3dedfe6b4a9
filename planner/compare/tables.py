"""A comparison's tables: every number that the summary, the verdict and the figures show stands in one of them."""

from __future__ import annotations

from planner.plan.tables import Table, described_table

COMPARISON_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        described_table(
            "scenarios",
            "Scenarios and how good their plans are",
            """
            scenario string - scenario
            name_en string - English name
            name_zh string - Chinese name
            rule string - build-ahead rule
            world string - base, or the scenario's own id where its assumptions differ
            status string - planned, bound (perfect information), late (none was found in time) or impossible
            objective number currency cost of the plan on what it was optimised for
            bound number currency proven lower bound of it
            gap number - (objective - bound) / objective
            modules integer modules ordered
            note string - what the rule could not do, or why there is no plan
            note_zh string - the same in Chinese
            """,
        ),
        described_table(
            "costs",
            "Discounted cost over the evaluation futures",
            """
            scenario string - scenario
            statistic string - mean, p10, p90 or cvar (mean of the worst tenth)
            value number currency estimate
            low number currency lower end of the 95 % interval
            high number currency upper end of the 95 % interval
            """,
        ),
        described_table(
            "terms",
            "Mean discounted cost by term",
            """
            scenario string - scenario
            term string - term of the objective
            cost number currency mean over futures
            """,
        ),
        described_table(
            "measures",
            "What a scenario does, mean over futures",
            """
            scenario string - scenario
            measure string - what is measured
            unit string - its unit
            value number - mean over futures
            low number - lower end of the 95 % interval
            high number - upper end of the 95 % interval
            """,
        ),
        described_table(
            "shortfall",
            "Demand not served by workload, mean over futures",
            """
            scenario string - scenario
            workload string - workload
            unit string - the workload's unit
            unit_hours number unit-hours not served
            share number - of what was asked
            """,
        ),
        described_table(
            "ahead",
            "Build-ahead ratio by period",
            """
            scenario string - scenario
            period integer - period
            usable_pflops number PFLOPS after availability, mean over branches
            build_ahead_ratio number - largest multiple of P50 demand that can be served in full, least of any branch
            months_ahead number months until the P50 peak is so many times what it is, least of any branch
            capacity_to_peak number - usable / P50 peak, least of any branch
            """,
        ),
        described_table(
            "futures",
            "Every scenario in every future",
            """
            scenario string - scenario
            future integer - evaluation future
            probability number - weight
            cost number currency discounted
            shortfall_cost number currency of which for demand not served
            idle_cost number currency of which for capacity that stood idle
            regret number currency above the best scenario of that future; empty outside the base world
            driver number - growth per year, or demand relative to the mean future
            """,
        ),
        described_table(
            "regret",
            "Regret over futures",
            """
            scenario string - scenario
            mean number currency mean regret
            low number currency lower end of its 95 % interval
            high number currency upper end of its 95 % interval
            largest number currency regret in the future where it is largest
            best_in number - share of futures in which it is the best
            above_perfect number currency mean cost above perfect information; empty where that was not asked for
            """,
        ),
        described_table(
            "differences",
            "Paired differences of cost, future by future",
            """
            scenario string - scenario
            against string - scenario it is compared with
            difference number currency mean of cost - cost of the other
            low number currency lower end of the 95 % interval
            high number currency upper end of the 95 % interval
            cheaper_in number - share of futures in which it is cheaper
            """,
        ),
        described_table(
            "frontier",
            "Idle cost against shortfall cost",
            """
            scenario string - scenario
            idle_cost number currency mean cost of capacity that stood idle
            shortfall_cost number currency mean cost of demand not served
            on_frontier integer - 1 when no scenario has less of both
            knee integer - 1 at the knee of the frontier
            paid_cost number currency mean of all costs but that of demand not served
            left_out string - why it is in no break-even: who pays and loses no more, or two, one always cheaper
            """,
        ),
        described_table(
            "break_even",
            "From where building further ahead pays",
            """
            less string - scenario that loses more to demand not served
            more string - the one that is cheapest from the break-even on
            shortage_factor number - times today's shortfall costs at which both cost the same
            shortage_per_pflops_hour number currency that an unserved PFLOPS-hour would have to cost
            today_per_pflops_hour number currency that the saved PFLOPS-hours cost today
            driver string - growth (per year) or demand (times the mean future)
            driver_value number - at which both cost the same
            inside integer - 1 when that lies within the evaluation futures
            """,
        ),
        described_table(
            "sensitivity",
            "One thing different at a time, plans as they are",
            """
            scenario string - scenario
            factor string - what differs
            setting string - low or high
            cost number currency mean cost
            change number currency against today
            best string - the scenario with the least mean cost then
            """,
        ),
        described_table(
            "value_of_information",
            "What futures are worth knowing",
            """
            measure string - vss (value of the stochastic solution) or evpi (of perfect information)
            value number currency difference of the plans found
            low number currency least value that the proven gaps allow
            high number currency largest value that the proven gaps allow
            note string - what the bracket rests on, or why there is no value
            note_zh string - the same in Chinese
            """,
        ),
        described_table(
            "levers",
            "Changed assumptions against the base",
            """
            scenario string - scenario with changed assumptions
            against string - the scenario of the same rule in the base world
            difference number currency mean of cost - cost of the other
            low number currency lower end of the 95 % interval
            high number currency upper end of the 95 % interval
            """,
        ),
    )
}
