"""The case: everything a plan is computed from, except the demand outlook."""

from planner.case.case import Case, Source
from planner.case.fields import Block, Id, Names, NonNegative, Positive, Share, by_period
from planner.case.given import SeriesRule
from planner.case.horizon import Costing
from planner.case.policy import BuildAhead, CVaR, Expected, Policy, Quantile, Resilience, Risk
from planner.case.sites import SiteStatus
from planner.case.tariffs import BANDS, DAY_KINDS
from planner.case.workloads import Workload, WorkloadKind

__all__ = [
    "BANDS",
    "DAY_KINDS",
    "Block",
    "BuildAhead",
    "CVaR",
    "Case",
    "Costing",
    "Expected",
    "Id",
    "Names",
    "NonNegative",
    "Policy",
    "Positive",
    "Quantile",
    "Resilience",
    "Risk",
    "SeriesRule",
    "Share",
    "SiteStatus",
    "Source",
    "Workload",
    "WorkloadKind",
    "by_period",
]
