"""The case: everything a plan is computed from, except the demand outlook.

Types, units and the checks that one block can make by itself stand with the blocks (`sites`, `modules`, `workloads`,
`tariffs`, `policy`, `horizon`, `given`); checks across blocks in `planner.case.checks`.
Unknown fields are refused everywhere. Every number carries its unit in its name; compute is dense FP16; money is in
`meta.currency`. A field marked "per period" takes one number for all periods or a list with one number a period.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from planner.case.agreements import Agreement
from planner.case.fields import Block, Day, Flag
from planner.case.given import GivenDemand, SeriesRule
from planner.case.horizon import Horizon
from planner.case.modules import Lease, ModuleType, Standing
from planner.case.policy import Policy, Risk
from planner.case.sites import Network, Region, Site
from planner.case.tariffs import Tariff
from planner.case.workloads import Campaign, Workload

if TYPE_CHECKING:
    from planner.case.fault import CrossFault


class Source(Block):
    """Where a number comes from. `path` is a JSON Pointer into the case (`*` stands for any one part); it covers
    everything below it, and the longest path that covers a number speaks for it (see `planner.case.sources`).

    mark: F read in the source, E an excerpt, C computed, R recalled, U conflicting or weak, A our assumption.
    """

    path: str
    mark: Literal["F", "E", "C", "R", "U", "A"]
    source: str
    date: str = ""


class Meta(Block):
    name: str
    description: str = ""
    currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    as_of: Day
    generated_demand: Flag = False
    sources: list[Source] = []


class Case(Block):
    """See the module's docstring; blocks are explained on their own types and in docs/case.md."""

    meta: Meta
    horizon: Horizon
    regions: Annotated[list[Region], Field(min_length=1)]
    sites: Annotated[list[Site], Field(min_length=1)]
    module_types: Annotated[list[ModuleType], Field(min_length=1)]
    fleet: list[Standing] = []
    leases: list[Lease] = []
    agreements: list[Agreement] = []
    workloads: Annotated[list[Workload], Field(min_length=1)]
    campaigns: list[Campaign] = []
    network: Network = Network()
    tariffs: list[Tariff] = []
    policy: Policy = Policy()
    risk: Risk = Risk()
    history_mapping: list[SeriesRule] = []
    demand: GivenDemand | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _every_fault_at_once(cls, value: Any, handler: ModelWrapValidatorHandler[Case]) -> Case:
        """Faults of single fields and faults between blocks come in one error, so that nobody mends them one by one."""
        from planner.case.checks import cross_faults  # here, because the checks need the types above
        from planner.case.fault import error_of

        if isinstance(value, Case):
            return value
        underived: list[CrossFault] = []
        if _states_service(value):
            from planner.case.derive import derived  # here, because only such cases need the sizing

            value, underived = derived(value)
        case, fields = None, None
        try:
            case = handler(value)
        except ValidationError as error:
            fields = error
        crossing = [*underived, *cross_faults(value, case)]
        if case is None or crossing:
            raise error_of(cls.__name__, fields, crossing)
        return case


def _states_service(value: Any) -> bool:
    """Whether a workload of the document states a service or a job to derive its throughput from."""
    workloads = value.get("workloads") if isinstance(value, Mapping) else None
    stated = [w for w in workloads if isinstance(w, Mapping)] if isinstance(workloads, list) else []
    return any(w.get("service") is not None or w.get("job") is not None for w in stated)
