"""A case as far as it is sound: what the checks between blocks read when single fields are still faulty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from planner.case.agreements import Agreement
from planner.case.case import Case
from planner.case.fields import FIELDS_ONLY
from planner.case.given import GivenDemand, SeriesRule
from planner.case.horizon import Horizon
from planner.case.modules import Lease, ModuleType, Standing
from planner.case.policy import Policy
from planner.case.sites import Network, Region, Site
from planner.case.tariffs import Tariff
from planner.case.workloads import Campaign, Workload

_Block = TypeVar("_Block", bound=BaseModel)


@dataclass(frozen=True)
class Draft:
    """The sound blocks of a case, each with its place in its list.

    A block with faulty optional fields stands here with their defaults; one that lacks a needed field is left out.
    `whole` names the blocks in which nothing was faulty: checks that conclude from everything that is there ("no site
    reaches this region") run only on whole blocks, so that one fault never causes a second, false one.
    """

    horizon: Horizon | None
    regions: list[tuple[int, Region]]
    sites: list[tuple[int, Site]]
    module_types: list[tuple[int, ModuleType]]
    fleet: list[tuple[int, Standing]]
    leases: list[tuple[int, Lease]]
    agreements: list[tuple[int, Agreement]]
    workloads: list[tuple[int, Workload]]
    campaigns: list[tuple[int, Campaign]]
    tariffs: list[tuple[int, Tariff]]
    history_mapping: list[tuple[int, SeriesRule]]
    network: Network | None
    policy: Policy | None
    demand: GivenDemand | None
    whole: frozenset[str]

    def are_whole(self, *blocks: str) -> bool:
        """Whether nothing in these blocks failed to be read."""
        return self.whole.issuperset(blocks)


def draft_of(document: Mapping[str, Any], case: Case | None) -> Draft:
    """The draft of a plain document; with `case`, the sound case that it became, nothing is read again."""
    whole: set[str] = set()

    def one(name: str, kind: type[_Block]) -> _Block | None:
        if case is not None:
            whole.add(name)
            found: _Block | None = getattr(case, name)
            return found
        raw = document.get(name, {} if name in ("network", "policy") else None)
        block, sound = _mended(raw, kind)
        if sound or (raw is None and name == "demand"):
            whole.add(name)
        return block

    def many(name: str, kind: type[_Block]) -> list[tuple[int, _Block]]:
        if case is not None:
            whole.add(name)
            return list(enumerate(getattr(case, name)))
        raw = document.get(name, [])
        if not isinstance(raw, list):
            return []
        pairs = [_mended(item, kind) for item in raw]
        if all(sound for _, sound in pairs):
            whole.add(name)
        return [(i, block) for i, (block, _) in enumerate(pairs) if block is not None]

    return Draft(
        horizon=one("horizon", Horizon),
        regions=many("regions", Region),
        sites=many("sites", Site),
        module_types=many("module_types", ModuleType),
        fleet=many("fleet", Standing),
        leases=many("leases", Lease),
        agreements=many("agreements", Agreement),
        workloads=many("workloads", Workload),
        campaigns=many("campaigns", Campaign),
        tariffs=many("tariffs", Tariff),
        history_mapping=many("history_mapping", SeriesRule),
        network=one("network", Network),
        policy=one("policy", Policy),
        demand=one("demand", GivenDemand),
        whole=frozenset(whole),
    )


def _mended(raw: Any, kind: type[_Block]) -> tuple[_Block | None, bool]:
    """The block, without its faulty fields where it can do without them, and whether it was sound as it stood."""
    try:
        return kind.model_validate(raw), True
    except ValidationError as error:
        if not isinstance(raw, Mapping):
            return None, False
        faulty = {line["loc"][0] for line in error.errors(include_url=False, include_input=False) if line["loc"]}
    sound = {key: value for key, value in raw.items() if key not in faulty}
    try:
        return kind.model_validate(sound, context=FIELDS_ONLY), False
    except ValidationError:
        return None, False
