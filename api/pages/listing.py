"""What a reader looks for in a list of runs: words, state, tag, standing, order, and which leaf of it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

from fastapi import Depends, Query

from api.pages.common import PER_PAGE
from api.service.services import Services
from api.store.labels import Order, Sought
from api.store.runs import State
from api.store.signatures import State as Stands

_STATES = get_args(State)
_STANDINGS = get_args(Stands)


@dataclass(frozen=True)
class Shown:
    """What the template needs of a list: what was asked, the choices, and the addresses of the leaves beside it."""

    asked: ListAsked
    path: str
    count: int
    leaves: int
    tags: list[str]
    states: tuple[str, ...]
    standings: tuple[str, ...]
    orders: tuple[str, ...]
    earlier: str | None
    later: str | None
    archived: str


@dataclass(frozen=True)
class ListAsked:
    """What a list's address says."""

    q: str
    state: str
    tag: str
    standing: str
    sort: Order
    archived: bool
    leaf: int

    @property
    def plain(self) -> bool:
        """Nothing is sought: what is not there does not exist."""
        return not (self.q or self.state or self.tag or self.standing or self.archived) and self.leaf == 1

    def shown(self, path: str, kind: str, count: int, tags: list[str]) -> Shown:
        """With what was found, for the template."""
        orders = [one for one in get_args(Order) if kind == "plan" or one not in ("cost", "gap")]
        last = max(ceil(count / PER_PAGE), 1)
        return Shown(
            self,
            path,
            count,
            last,
            tags,
            _STATES,
            _STANDINGS if kind == "plan" else (),
            tuple(orders),
            self._address(path, self.leaf - 1) if self.leaf > 1 else None,
            self._address(path, self.leaf + 1) if self.leaf < last else None,
            path if self.archived else f"{path}?archived=true",
        )

    def _address(self, path: str, leaf: int) -> str:
        said = {name: value for name, value in self.__dict__.items() if value and name != "leaf"}
        said |= {"archived": "true"} if self.archived else {}
        return f"{path}?{urlencode({**said, 'leaf': leaf})}"


def _asked(
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[State | Literal[""], Query()] = "",
    tag: Annotated[str, Query(max_length=60)] = "",
    standing: Annotated[Stands | Literal[""], Query()] = "",
    sort: Annotated[Order, Query()] = "newest",
    archived: bool = False,
    leaf: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> ListAsked:
    return ListAsked(q.strip(), state, tag, standing, sort, archived, leaf)


Asked = Annotated[ListAsked, Depends(_asked)]


def sought(services: Services, asked: ListAsked) -> Sought:
    """What is asked for, as the store looks for it."""
    ids = None
    if asked.standing:
        standings = services.signatures.log().standings
        ids = tuple(id for id, one in standings.items() if one.state == asked.standing)
    return Sought(tuple(asked.q.split()), asked.state or None, asked.tag or None, asked.archived, ids)
