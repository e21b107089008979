"""Comments of a YAML file by key, so that another file can have them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_COMMENT = re.compile(r"\s*:?\s*#(.*)")


@dataclass
class Comments:
    """The comments of a key: lines above it, and the one behind its value."""

    above: list[str] = field(default_factory=list)
    behind: str = ""


def comments_of(path: Path, depth: int = 2) -> dict[str, Comments]:
    """Return the comments of each dotted key, down to `depth` sections."""
    text = path.read_text(encoding="utf-8-sig")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found: dict[str, Comments] = {}
    if isinstance(root, yaml.MappingNode):
        _collect(root, "", depth, text.splitlines(), found)
    return found


def _collect(node: yaml.MappingNode, prefix: str, depth: int, lines: list[str], found: dict[str, Comments]) -> None:
    for key, value in node.value:
        dotted = f"{prefix}{key.value}"
        inside = isinstance(value, yaml.MappingNode) and depth > 1 and not value.flow_style
        on_its_line = value.end_mark if _ends_on_its_line(key, value) else key.end_mark
        behind = _COMMENT.match(lines[on_its_line.line][on_its_line.column :])
        found[dotted] = Comments(_above(lines, key.start_mark.line), behind[1].strip() if behind else "")
        if inside:
            _collect(value, f"{dotted}.", depth - 1, lines, found)


def _ends_on_its_line(key: yaml.Node, value: yaml.Node) -> bool:
    block = isinstance(value, yaml.CollectionNode) and not value.flow_style
    return not block and bool(value.end_mark.line == key.end_mark.line)


def _above(lines: list[str], line: int) -> list[str]:
    """The lines of comment directly above a line."""
    start = line
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return [comment.strip().removeprefix("#").strip() for comment in lines[start:line]]
