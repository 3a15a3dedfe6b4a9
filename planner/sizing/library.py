"""Libraries of models and cards: those that ship, and the owner's own in files of the same shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from forecasts.fault import Fault
from planner.sizing.errors import SizingError, near
from planner.sizing.types import Attention, Card, Model, PrecisionName

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(_Strict):
    """Where numbers come from. mark: F, E, C, R, U or A, as in a case's `meta.sources`."""

    mark: Literal["F", "E", "C", "R", "U", "A"]
    source: str
    date: date


class Latent(_Strict):
    """Latent attention: ranks of the compressed key-value and query vectors, head sizes without and with position."""

    kv_rank: Count
    rope: Count
    q_rank: Count
    nope: Count
    value: Count


class Linear(_Strict):
    """Gated linear attention of the layers that are not full: heads of keys and values, and their size."""

    key_heads: Count
    value_heads: Count
    head_dim: Count


class Sparse(_Strict):
    """Sparse attention: tokens that are read, and values a token and layer of the index that picks them."""

    selected: Count
    index_values: Count


class ModelFile(_Strict):
    """A model by the fields of its configuration; parameters are counted from them."""

    id: str
    name: str
    source: str
    layers: Count
    hidden: Count
    vocabulary: Count
    heads: Count
    head_dim: Count | None = None
    kv_heads: Count | None = None
    latent: Latent | None = None
    gated: bool = False
    full_layers: int | None = None
    window_layers: int = 0
    window: int = 0
    linear: Linear | None = None
    sparse: Sparse | None = None
    dense_intermediate: Count | None = None
    dense_layers: int | None = None
    shared_intermediate: int = 0
    experts: int = 0
    experts_per_token: int = 0
    expert_intermediate: int = 0
    fp4_activations: PrecisionName = "fp4"
    aliases: tuple[str, ...] = ()
    also: dict[str, str] = {}

    @model_validator(mode="after")
    def _whole(self) -> ModelFile:
        if self.latent is None and (self.head_dim is None or self.kv_heads is None):
            raise ValueError("neither latent nor head_dim and kv_heads; allowed: one of the two")
        if self.experts and not (0 < self.experts_per_token <= self.experts and self.expert_intermediate):
            raise ValueError("experts without experts_per_token and expert_intermediate; allowed: all three")
        if not self.experts and self.dense_intermediate is None:
            raise ValueError("neither experts nor dense_intermediate; allowed: at least one of the two")
        if (self.full_layers or 0) + self.window_layers > self.layers:
            raise ValueError("more layers of attention than layers; allowed: at most `layers` together")
        return self

    def model(self) -> Model:
        """The model with its parameters counted: matrices of attention, feed-forward, experts and vocabulary."""
        full = self.layers - self.window_layers if self.full_layers is None else self.full_layers
        other = self.layers - full - self.window_layers
        linear = self.linear or Linear(key_heads=1, value_heads=1, head_dim=1)
        attention = (full + self.window_layers) * self._attention_each() + other * self.hidden * linear.head_dim * (
            2 * linear.key_heads + 3 * linear.value_heads
        )
        moe_layers = self.layers - (self.dense_layers or 0) if self.experts else 0
        dense_layers = self.layers - moe_layers
        dense = (
            3 * self.hidden * (dense_layers * (self.dense_intermediate or 0) + moe_layers * self.shared_intermediate)
        )
        expert = 3 * self.hidden * self.expert_intermediate * self.experts * moe_layers
        state = other * linear.value_heads * linear.head_dim**2 if self.linear else 0
        if self.latent:
            size = (self.latent.nope + self.latent.rope + self.latent.value) / 2
            kv_heads, kv_values = 1, self.latent.kv_rank + self.latent.rope
        else:
            size, kv_heads = float(self.head_dim or 0), self.kv_heads or 1
            kv_values = 2 * kv_heads * (self.head_dim or 0)
        return Model(
            self.id,
            self.name,
            self.layers,
            self.hidden,
            Attention(
                self.heads,
                size,
                kv_heads,
                kv_values,
                full,
                self.window_layers,
                self.window,
                self.latent is not None,
                float(self.sparse.index_values) if self.sparse else 0.0,
                self.sparse.selected if self.sparse else 0,
                float(state),
            ),
            attention / 1e9,
            dense / 1e9,
            self.vocabulary * self.hidden / 1e9,
            expert / 1e9,
            self.experts,
            self.experts_per_token,
            self.fp4_activations,
            attention_kept=self.experts > 0,
        )

    def _attention_each(self) -> int:
        if self.latent:
            low = self.latent
            return (
                self.hidden * (low.q_rank + low.kv_rank + low.rope)
                + low.q_rank * self.heads * (low.nope + low.rope)
                + low.kv_rank * self.heads * (low.nope + low.value)
                + self.heads * low.value * self.hidden
            )
        size = self.head_dim or 0
        queries = self.heads * (2 if self.gated else 1)
        return self.hidden * size * (queries + 2 * (self.kv_heads or 0) + self.heads)


Sourced = tuple[Positive, str] | None


class CardFile(_Strict):
    """A card; each number with the key of its source, or null where there is none."""

    id: str
    name: str
    vendor: str
    domestic: bool
    memory_gib: Sourced
    tb_per_s: Sourced
    pflops: dict[PrecisionName, tuple[Positive, str]]
    link_gb_per_s: Sourced
    domain: Count
    power_w: Sourced
    measured: bool = False
    aliases: tuple[str, ...] = ()

    def card(self) -> Card:
        """As sizing takes it."""
        return Card(
            self.id,
            self.name,
            self.vendor,
            self.domestic,
            _value(self.memory_gib),
            _value(self.tb_per_s),
            {str(name): value for name, (value, _) in self.pflops.items()},
            _value(self.link_gb_per_s),
            self.domain,
            _value(self.power_w),
            self.measured,
        )

    def sources(self) -> dict[str, str]:
        """Each number's source key."""
        out = {
            name: pair[1]
            for name in ("memory_gib", "tb_per_s", "link_gb_per_s", "power_w")
            if (pair := getattr(self, name)) is not None
        }
        return out | {f"pflops.{name}": key for name, (_, key) in self.pflops.items()}


class LibraryFile(_Strict):
    """A file of models, cards or both, with its sources."""

    sources: dict[str, Source]
    models: tuple[ModelFile, ...] = ()
    cards: tuple[CardFile, ...] = ()

    @model_validator(mode="after")
    def _known_sources(self) -> LibraryFile:
        used = {m.source for m in self.models} | {key for c in self.cards for key in c.sources().values()}
        unknown = sorted(used - set(self.sources))
        if unknown:
            raise ValueError(f"numbers with the unknown source {', '.join(unknown)}; allowed: a key of `sources`")
        return self


@dataclass(frozen=True)
class Library:
    """Models and cards by id, and where each number comes from."""

    models: Mapping[str, Model]
    cards: Mapping[str, Card]
    provenance: Mapping[str, Mapping[str, Source]]
    names: Mapping[str, str]

    def model(self, wanted: str) -> Model:
        """By id, name or alias, whatever their case; a path such as `org/Name` counts by its last part."""
        return self.models[self._id(wanted, self.models, "models")]

    def card(self, wanted: str) -> Card:
        """A card by id or name. Raises SizingError."""
        return self.cards[self._id(wanted, self.cards, "cards")]

    def marks(self, identifier: str) -> dict[str, str]:
        """The mark of every number of a model or card."""
        return {name: source.mark for name, source in self.provenance[identifier].items()}

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """Models and cards as plain values, every number of a card with its mark."""
        models = [
            {"id": m.id, "name": m.name, "billions": round(m.total_params, 1), "active": round(m.active_params, 1)}
            for m in self.models.values()
        ]
        names = ("id", "name", "memory_gib", "tb_per_s", "pflops", "link_gb_per_s", "power_w")
        cards = [{n: getattr(c, n) for n in names} | {"marks": self.marks(c.id)} for c in self.cards.values()]
        return {"models": models, "cards": cards}

    def _id(self, wanted: str, known: Mapping[str, Any], what: str) -> str:
        found = self.names.get(wanted.split("/")[-1].lower(), "")
        if found not in known:
            raise SizingError([Fault(what[:-1], wanted, near(known, wanted))])
        return found


def open_library(own: Sequence[LibraryFile] = ()) -> Library:
    """The libraries that ship and the owner's; a later one's model or card stands for an earlier one's.

    Files of the owner's are read by planner/case/own_library.py.
    """
    return _joined([*_shipped(), *own])


@cache
def _shipped() -> tuple[LibraryFile, ...]:
    folder = files("planner.sizing").joinpath("data")
    names = ("models.yaml", "cards.yaml")
    return tuple(LibraryFile.model_validate(yaml.safe_load(folder.joinpath(n).read_text("utf-8"))) for n in names)


def _joined(parsed: Sequence[LibraryFile]) -> Library:
    models: dict[str, Model] = {}
    cards: dict[str, Card] = {}
    provenance: dict[str, dict[str, Source]] = {}
    names: dict[str, str] = {}
    for file in parsed:
        for one in file.models:
            models[one.id] = one.model()
            provenance[one.id] = {"*": file.sources[one.source]}
        for card in file.cards:
            cards[card.id] = card.card()
            provenance[card.id] = {name: file.sources[key] for name, key in card.sources().items()}
        entries = [(e.id, e.name, *e.aliases) for e in file.models] + [(e.id, e.name, *e.aliases) for e in file.cards]
        names |= {text.lower(): entry[0] for entry in entries for text in entry}
    return Library(models, cards, provenance, names)


def _value(pair: tuple[float, str] | None) -> float | None:
    return pair[0] if pair else None
