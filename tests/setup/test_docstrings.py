"""Whatever array crosses a room's border has its shape in the docstring of the function that takes or gives it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARRAY = re.compile(r"(Float|Int|Bool)Array|NDArray|ndarray")
SHAPE = re.compile(r"\([\w., +…*-]*,[^)]*\)|shape")


def _public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions and methods of public classes, by name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                    yield f"{node.name}.{one.name}", one


def test_arrays_have_their_shapes_said() -> None:
    silent, found = [], 0
    for path in (path for floor in ("planner", "forecasts", "api") for path in (ROOT / floor).rglob("*.py")):
        for name, function in _public(ast.parse(path.read_text(encoding="utf-8"))):
            arguments = (*function.args.args, *function.args.kwonlyargs)
            hints = " ".join(ast.unparse(h) for h in (*(a.annotation for a in arguments), function.returns) if h)
            if ARRAY.search(hints):
                found += 1
                if not SHAPE.search(ast.get_docstring(function) or ""):
                    silent.append(f"{path.relative_to(ROOT)}: {name}")
    assert found > 300
    assert silent == []
