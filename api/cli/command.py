"""How a function becomes a command: options that go together are one parameter, failures are told in one way."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from api.cli.exits import Exit, told


class Use:
    """How a command takes a group of options, as an annotation of it: which it leaves out, and defaults of its own."""

    def __init__(self, *, without: tuple[str, ...] = (), **defaults: Any) -> None:
        self.without, self.defaults = without, defaults


def command(function: Callable[..., None]) -> Callable[..., None]:
    """The function for typer: parameters that are dataclasses of options laid out, errors told as exit codes.

    An option that no group of the command has keeps the group's default.
    """
    hints = get_type_hints(function, include_extras=True)
    own: list[inspect.Parameter] = []
    grouped: list[inspect.Parameter] = []
    groups: dict[str, tuple[type, list[str]]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind, use = _group(hints[name])
        if kind is None:
            own.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        inner = get_type_hints(kind, include_extras=True)
        offered = [field for field in fields(kind) if field.name not in use.without]
        groups[name] = kind, [field.name for field in offered]
        grouped += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=use.defaults.get(field.name, field.default),
                annotation=inner[field.name],
            )
            for field in offered
        ]

    def run(**given: Any) -> None:
        with guarded(as_json=bool(given.get("json")), language=given.get("language")):
            for name, (kind, names) in groups.items():
                given[name] = kind(**{one: given.pop(one) for one in names})
            function(**given)

    laid_out = [*own, *grouped]
    run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
    run.__signature__ = inspect.Signature(laid_out)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in laid_out}
    return run


def _group(hint: Any) -> tuple[Any, Use]:
    """The dataclass of options behind an annotation (None: a single option), and how the command takes it."""
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    use = next((mark for mark in marks if isinstance(mark, Use)), Use())
    return (hint if is_dataclass(hint) else None), use


@contextmanager
def guarded(*, as_json: bool, language: str | None = None) -> Iterator[None]:
    """Run a command's body; any error is told in words (or as JSON) and becomes its exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort, SystemExit):
        raise
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.ok) from None
    except BaseException as error:
        if os.environ.get("TIDEPLAN_DEBUG"):
            raise
        from api.cli import console

        failure = told(error)
        console.show_failure(failure, as_json=as_json, language=language)
        raise typer.Exit(int(failure.exit)) from None
