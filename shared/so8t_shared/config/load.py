"""Load a Config from a YAML file, overrides and the environment, or raise one error that lists every fault."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from so8t_shared.config.faults import config_error, section_of
from so8t_shared.config.gate import DEFAULT_GATE
from so8t_shared.config.model import AbTest, Config
from so8t_shared.errors import ConfigError
from so8t_shared.foreign import UnparsableError
from so8t_shared.foreign_yaml import parse_yaml
from so8t_shared.tables.metrics import BY_NAME

ENVIRONMENT_PREFIX = "SO8T__"
COMPOSE_VARIABLES = {
    "SO8T_STORE_ENDPOINT": "SO8T__STORE__ENDPOINT",
    "SO8T_BUCKET": "SO8T__STORE__BUCKET",
    "SO8T_CREDENTIALS": "SO8T__STORE__CREDENTIALS_FILE",
    "SO8T_RESULTS": "SO8T__OUTPUT_BASE_DIR",
    "SO8T_OLLAMA_HOST": "SO8T__OLLAMA__HOST",
    "SO8T_ENGINE": "SO8T__AB_TEST__ENGINE",
}
"""Variables of compose.yaml, and the variables through which it passes them to the program in a container."""


def load_config(path: Path | str, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration; `overrides` are 'section.key=value', environment variables SO8T__SECTION__KEY.

    Precedence, strongest first: overrides, environment, the file, the file named by
    training.config, defaults.

    Raises:
        ConfigError: lists every fault found, each with its key, the value and what to write instead.
    """
    path = Path(path)
    raw = _read_keys(path, "configuration file")
    given: dict[str, str] = {}
    for dotted, value, source in [
        *_from_environment(os.environ if environ is None else environ),
        *map(_split, overrides),
    ]:
        _assign(raw, dotted, value)
        given[dotted] = source
    other = _fill_training(raw, path)
    raw = {key: value for key, value in raw.items() if value is not None or section_of(Config, str(key)) is None}
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise config_error(error, f"{path} and {other}" if other else str(path), given) from error


def load_test_settings(path: Path | None, overrides: Sequence[str], keys: Sequence[str]) -> AbTest:
    """Return how to judge answers that are already there.

    `path` holds the clauses of a gate, keys of the section ab_test, or a whole configuration; without a gate, the
    default's clauses over answers apply. `overrides` are 'key=value', with a key from `keys`.

    Raises:
        ConfigError: lists every fault found.
    """
    raw = _test_section(path) if path else {}
    given: dict[str, str] = {}
    for dotted, value, source in map(_split, overrides):
        key = dotted.removeprefix("ab_test.")
        if key.partition(".")[0] not in keys:
            raise ConfigError(f"{key} has no effect here.", where=source, remedy=f"use one of {', '.join(keys)}")
        _assign(raw, key, value)
        given[f"ab_test.{key}"] = source
    raw.setdefault("gate", [clause for clause in DEFAULT_GATE if BY_NAME[clause.metric].source == "answers"])
    around = {"model_a": {"base_model": "-"}, "dataset": {"paths": ["-"]}}
    try:
        return Config.model_validate({**around, "ab_test": raw}).ab_test
    except ValidationError as error:
        raise config_error(error, str(path or "--set"), given) from error


def _test_section(path: Path) -> dict[str, Any]:
    raw = _read_yaml(path, "gate file")
    if isinstance(raw, list):
        return {"gate": raw}
    if isinstance(raw, dict) and "ab_test" in raw:
        raw = raw["ab_test"]
    if raw is not None and not isinstance(raw, dict):
        remedy = "write a list of clauses, as for ab_test.gate; see docs/compare.md"
        raise ConfigError("The gate file holds no clauses.", where=str(path), remedy=remedy)
    return {key: value for key, value in (raw or {}).items() if value is not None}


def notices(config: Config, environ: Mapping[str, str] | None = None) -> list[str]:
    """One line for each key that no longer has an effect, and each variable that only compose.yaml reads."""
    environ = os.environ if environ is None else environ
    found = [
        f"{name} is ignored here: only compose.yaml reads it; the command line reads {own}"
        for name, own in COMPOSE_VARIABLES.items()
        if environ.get(name) and own not in environ
    ]
    if config.gguf.convert_script:
        found.append("gguf.convert_script is ignored: the converter is built in")
    return found


def _read_yaml(path: Path, what: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"The {what} does not exist.", where=str(path), remedy="correct the path") from error
    except IsADirectoryError as error:
        remedy = "name a file in it"
        raise ConfigError(f"This is a folder, not the {what}.", where=str(path), remedy=remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The {what} cannot be read: {error}.",
            where=str(path),
            remedy="give a readable UTF-8 YAML file",
        ) from error
    try:
        return parse_yaml(text)
    except UnparsableError as error:
        remedy = "correct that line"
        raise ConfigError(f"This is not valid YAML: {error.why}.", where=error.place(path), remedy=remedy) from error


def _read_keys(path: Path, what: str) -> dict[str, Any]:
    raw = _read_yaml(path, what)
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(
            f"The {what} contains only a value of type {type(raw).__name__}, not keys and values.",
            where=str(path),
            remedy="write 'key: value' lines, as 'so8t-ab init' does",
        )
    return raw


def _fill_training(raw: dict[str, Any], path: Path) -> Path | None:
    """Merge the keys of the file named by training.config under `raw`'s own; return that file, if there is one."""
    training = raw.get("training")
    if not isinstance(training, dict) or not training.get("config"):
        return None
    named = Path(str(training["config"]))
    candidates = [named, path.parent / named]
    found = next((c for c in candidates if c.is_file()), named)
    values = _read_keys(found, "training.config file")
    values = values.get("training", values) if set(values) == {"training"} else values
    raw["training"] = _merge(values, training)
    return found


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """Yield dotted key, value and variable name."""
    for name, value in sorted(environ.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            yield name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), _value(value, name), name


def _split(override: str) -> tuple[str, Any, str]:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override!r} is not an override.", where="--set", remedy="write --set section.key=value")
    return key.strip(), _value(value, f"--set {key}"), f"--set {key.strip()}"


def _value(text: str, where: str) -> Any:
    try:
        return parse_yaml(text)
    except UnparsableError as error:
        raise ConfigError(f"{text!r} is not valid YAML.", where=where, remedy="quote the value") from error


def _assign(raw: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    node = raw
    for section in sections:
        child = node.setdefault(section, {})
        if not isinstance(child, dict):
            child = node[section] = {}
        node = child
    node[key] = value
