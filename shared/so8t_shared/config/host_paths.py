"""The paths in a configuration, as this host has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from so8t_shared.config.drives import INPUTS_ROOT, explained, here, holds_paths, is_elsewhere, without_root
from so8t_shared.config.model import Config
from so8t_shared.config.nested import assign, value_at
from so8t_shared.config.table import config_keys


def on_this_host(raw: dict[str, Any]) -> dict[str, str]:
    """Replace another system's paths in the keys and values `raw` by this host's; return what became of each.

    Raises:
        ConfigError: a path exists twice below inputs_root.
    """
    moved: dict[str, str] = {}
    root = raw.get(INPUTS_ROOT)
    for key, value in _paths(raw):
        paths = [value] if isinstance(value, str) else value
        found = [here(path, root if isinstance(root, str) else None) for path in paths]
        if found != paths:
            moved |= dict(zip(paths, found, strict=True))
            assign(raw, key, found if isinstance(value, list) else found[0])
    return {path: new for path, new in moved.items() if path != new}


def elsewhere(config: Config) -> list[str]:
    """One line for each drive that this host cannot have, with the keys whose paths are on it."""
    keys: dict[str, list[str]] = {}
    for key, value in _paths(config.model_dump(mode="json")):
        for path in [value] if isinstance(value, str) else value:
            if is_elsewhere(path):
                keys.setdefault(explained(path), []).append(f"{key} = {path}")
    return [f"{', '.join(named)}: {reason}" for reason, named in keys.items()]


def named_alike(config: Config) -> dict[str, Any]:
    """The configuration's values, with paths as every host names them: without the drive or inputs_root."""
    whole = config.model_dump(mode="json")
    for key, value in _paths(whole):
        alike = [without_root(path, config.inputs_root) for path in ([value] if isinstance(value, str) else value)]
        assign(whole, key, alike if isinstance(value, list) else alike[0])
    return whole


def _paths(raw: Mapping[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    """Keys that hold a path or paths, with their values; other values are left to the validation."""
    for key, info in config_keys():
        value = value_at(raw, key) if holds_paths(info) else None
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(path, str) for path in value)):
            yield key, value
