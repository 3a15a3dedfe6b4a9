"""Cases as text that people edit: YAML without what only repeats a default, and the line of every fault."""

from __future__ import annotations

from typing import Any

import yaml

from planner.case.document import DEEPEST, PARSER, number_of


class _Dumper(yaml.SafeDumper):
    """Lists of plain values stand on one line; nothing is written as a reference to something else."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _listed(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    flow = all(not isinstance(one, dict | list) for one in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _quoted(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """PyYAML knows the numbers of YAML 1.1; what is one only in 1.2 (the name 2e7) would come back as a number."""
    style = "'" if number_of(data) is not None else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(list, _listed)
_Dumper.add_representer(str, _quoted)


def case_text(document: dict[str, Any]) -> str:
    """The YAML of a stored case: the same case, without values that are defaults; where it comes from stands last."""
    from planner.case.file import case_from

    found = case_from(document).model_dump(mode="json", exclude_defaults=True)
    meta = found.pop("meta")
    return yaml.dump(found | {"meta": meta}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)


def line_of(root: yaml.Node | None, pointer: str) -> int | None:
    """The line (from 1) on which a JSON Pointer leads in a composed document, or the nearest above it that exists."""
    if root is None:
        return None
    node, line = root, root.start_mark.line
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if getattr(k, "value", None) == name), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
            node = node.value[int(name)]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def compose(text: str) -> yaml.Node | None:
    """The document's nodes with their places; None when it is no YAML."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=PARSER):  # one after the other: composing goes down into every level
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return None
        node: yaml.Node | None = yaml.compose(text, Loader=PARSER)
    except yaml.YAMLError:
        return None
    return node
