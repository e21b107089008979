"""All configuration keys, for the docs and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from so8t_shared.config.faults import section_of
from so8t_shared.config.model import Config


def config_table() -> str:
    """A Markdown table: key, type, default, meaning."""
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, *cells in config_rows():
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{key}`", *cells)) + " |")
    return "\n".join(lines) + "\n"


def config_rows() -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every key, in section order."""
    for key, info, optional in _keys():
        yield key, _type(info.annotation), _default(info, optional=optional), info.description or ""


def config_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key that holds a value, in section order."""
    yield from ((key, info) for key, info, _ in _keys(section, prefix))


def _keys(
    section: type[BaseModel] = Config, prefix: str = "", *, optional: bool = False
) -> Iterator[tuple[str, FieldInfo, bool]]:
    """Like `config_keys`, plus whether the key is in a section that may be omitted."""
    for name, info in section.model_fields.items():
        inner = section_of(section, name)
        if inner is None:
            yield f"{prefix}{name}", info, optional
        else:
            yield from _keys(inner, f"{prefix}{name}.", optional=optional or not info.is_required())


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(str(value) for value in get_args(annotation))
    if get_origin(annotation) is dict:
        return "section"
    if get_origin(annotation) is not None:
        if get_origin(annotation) in {list, tuple}:
            return f"list of {_type(get_args(annotation)[0])}"
        return " or ".join(_type(part) for part in get_args(annotation) if not _is_constraint(part))
    if annotation is type(None):
        return "null"
    name = str(annotation.__name__)
    return {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Clause": "clauses"}.get(
        name, name
    )


def _is_constraint(part: Any) -> bool:
    return not isinstance(part, type) and get_origin(part) is None


def _default(info: FieldInfo, *, optional: bool) -> str:
    if info.is_required():
        return "required in the section" if optional else "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, dict):
        return json.dumps(value).replace('"', "")
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return "see [the gate](gate.md)"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(str(v) for v in value) + "]"
    return "null" if value is None else f"{str(value).lower() if isinstance(value, bool) else value}" or '""'
