"""Build-ahead scenarios: rules, levers and overrides, and the demand they are planned for and judged on."""

from planner.scenarios.levers import Lever, target_from
from planner.scenarios.scenario import (
    Averse,
    BringForward,
    DemandChange,
    JustInTime,
    MeanValue,
    Posed,
    QuantileOf,
    Ratio,
    Rule,
    Scenario,
    ScenarioError,
    Stochastic,
    WaitAndSee,
    pose,
    read_scenarios,
    scenarios_from,
    standard_scenarios,
)

__all__ = [
    "Averse",
    "BringForward",
    "DemandChange",
    "JustInTime",
    "Lever",
    "MeanValue",
    "Posed",
    "QuantileOf",
    "Ratio",
    "Rule",
    "Scenario",
    "ScenarioError",
    "Stochastic",
    "WaitAndSee",
    "pose",
    "read_scenarios",
    "scenarios_from",
    "standard_scenarios",
    "target_from",
]
