"""Messages for faults in a configuration: the key, the reason, what to write instead, and the source."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from so8t_shared.config.model import Config
from so8t_shared.config.original.keys import BY_KEY
from so8t_shared.errors import ConfigError
from so8t_shared.redaction import without_secrets


def config_error(
    error: ValidationError | None,
    files: str,
    given: dict[str, str],
    more: Mapping[str, str] | None = None,
    root: type[BaseModel] = Config,
) -> ConfigError:
    """One error that lists every fault; `given` maps a dotted key to its source, if that is not `files`.

    `more` are faults that were found before, with their sources; `root` is the model of the whole file.
    """
    more = more or {}
    faults = _of_one_form(error.errors()) if error else []
    sources = [*more.values(), *(_source(fault, given) for fault in faults)]
    places = dict.fromkeys(files if source is None else source for source in sources)
    lines = [
        f"    - {text}" + (f" (given by {source})" if source and len(places) > 1 else "")
        for text, source in zip([*more, *(_explain(fault, root) for fault in faults)], sources, strict=True)
    ]
    return ConfigError(
        _several(len(lines)),
        where="\n".join([", ".join(places), *lines]),
        remedy="correct these keys; 'so8t-ab config schema' lists all of them",
    )


def _source(fault: Any, given: dict[str, str]) -> str | None:
    """The override or variable that set the key, a part of it, or the section around it."""
    dotted = _dotted(fault)
    for key, source in reversed(given.items()):
        if f"{dotted}.".startswith(f"{key}."):
            return source
    if fault["type"] == "value_error":  # a rule of a whole section: suspect first what was set in it
        return next((source for key, source in reversed(given.items()) if key.startswith(f"{dotted}.")), None)
    return None


def _of_one_form(faults: Sequence[Any]) -> list[Any]:
    """Leave out that a section is not one of the words which its key could hold as well."""
    deeper = {_dotted(fault).rpartition(".")[0] for fault in faults}
    return [fault for fault in faults if fault["type"] != "literal_error" or _dotted(fault) not in deeper]


def _path(fault: Any) -> list[str | int]:
    """Keys and places in lists; without pydantic's names of the forms that a value could have."""
    parts = [part for part in fault["loc"] if isinstance(part, (str, int))]
    last = parts[-1:] if fault["type"] == "extra_forbidden" else []  # the file's own word, whatever it is
    return [*(part for part in parts[: len(parts) - len(last)] if "[" not in str(part)), *last]


def _dotted(fault: Any) -> str:
    return ".".join(map(str, _path(fault)))


def _several(count: int) -> str:
    return "The configuration has a fault." if count == 1 else f"The configuration has {count} faults."


def _explain(fault: Any, root: type[BaseModel]) -> str:
    path = _path(fault)
    dotted = _dotted(fault)
    if fault["type"] == "extra_forbidden":
        return f"{dotted}: unknown key{_did_you_mean(path, root)}"
    if fault["type"] == "missing":
        return f"{dotted}: this key is required{_described(path, root)}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "model_type":
        message = "expected a section, with one key per line"
    elif isinstance(fault["input"], dict):  # a rule of a whole section; its message names the keys
        return f"{dotted or 'configuration'}: {message}"
    return f"{dotted or 'configuration'}: {message}; found {_shown(fault['input'])}{_choice(fault)}"


def _choice(fault: Any) -> str:
    """The allowed word closest to the input, as a suggestion."""
    if fault["type"] != "literal_error":
        return ""
    allowed = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
    close = difflib.get_close_matches(str(fault["input"]).lower(), allowed, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _shown(value: Any) -> str:
    text = without_secrets(repr(value))  # before a cut could leave a part of a secret
    return text if len(text) <= 60 else text[:57] + "..."


def _did_you_mean(path: list[str | int], root: type[BaseModel]) -> str:
    row = BY_KEY.get(".".join(map(str, path))) if root is Config else None
    if row and row.becomes:
        return f"; here it is {row.becomes}"
    if row:
        return f"; it has no effect here: {row.why}"
    section = _section_at(path[:-1], root)
    known = list(section.model_fields) if section else []
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    elsewhere = _places_of(str(path[-1]), root)
    if elsewhere:
        return f"; it belongs at {elsewhere[0]}"
    return f"; known here: {', '.join(known)}" if known else ""


def _described(path: list[str | int], root: type[BaseModel]) -> str:
    section = _section_at(path[:-1], root)
    name = str(path[-1])
    if section and name in section.model_fields and section.model_fields[name].description:
        return f" ({section.model_fields[name].description})"
    return ""


def _section_at(path: Sequence[str | int], root: type[BaseModel]) -> type[BaseModel] | None:
    section: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, str):  # not a place in a list
            section = section_of(section, part, in_list=True) if section else None
    return section


def section_of(section: type[BaseModel], name: str, *, in_list: bool = False) -> type[BaseModel] | None:
    """The model class of a key that holds a section (`in_list`: or a list of sections), else None."""
    info = section.model_fields.get(name)
    if info is None or (get_origin(info.annotation) is list and not in_list):
        return None
    for kind in (info.annotation, *get_args(info.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def field_at(section: type[BaseModel], dotted: str) -> FieldInfo | None:
    """The field of a dotted key, which may be a section; None if there is none."""
    *outer, name = dotted.split(".")
    found: type[BaseModel] | None = section
    for part in outer:
        found = section_of(found, part) if found else None
    return found.model_fields.get(name) if found else None


def _places_of(name: str, section: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for key in section.model_fields:
        if key == name and prefix:
            found.append(f"{prefix}{key}")
        inner = section_of(section, key)
        if inner:
            found += _places_of(name, inner, f"{prefix}{key}.")
    return found
