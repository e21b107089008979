"""Load a Config from a YAML file, overrides and the environment, or raise one error that lists every fault."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from so8t_shared.config.drives import INPUTS_ROOT, VARIABLE, here
from so8t_shared.config.faults import config_error, section_of
from so8t_shared.config.gate import DEFAULT_GATE
from so8t_shared.config.host_paths import elsewhere, on_this_host
from so8t_shared.config.model import AbTest, Config
from so8t_shared.config.nested import assign, merged
from so8t_shared.config.original.form import Translation, is_original, translated
from so8t_shared.config.original.left_out import left_out
from so8t_shared.config.retention import write_out
from so8t_shared.config.yaml_files import read_keys, read_yaml
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


@dataclass(frozen=True)
class Loaded:
    """A configuration, and what became of the keys of a file of the original form."""

    config: Config
    original: Translation | None
    """Of the file itself, or of the one that training.config names; None if it has the present form."""
    moved: dict[str, str]
    """Paths of another system, and where they are on this host."""

    def notes(self) -> list[str]:
        """One line for a file of the original form, and one for each path of another system."""
        found = [f"{path} is {place} on this host" for path, place in self.moved.items()]
        if self.original:
            keys, unused = len(self.original.lines), sum(not line.becomes for line in self.original.lines)
            what = f"{self.original.file} has the original form; keys without effect: {unused} of {keys}"
            found.insert(0, f"{what} ('so8t-ab config check' lists all of them)")
        return found

    def left_out(self) -> list[str]:
        """A line with the keys that a file of the original form leaves out, and that have another default here."""
        found = left_out(self.original, self.config) if self.original else []
        return [f"left out of {self.original.file}, so ours: {', '.join(found)}"] if self.original and found else []


def load_config(path: Path | str, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration; `overrides` are 'section.key=value', environment variables SO8T__SECTION__KEY.

    Precedence, strongest first: overrides, environment, the file, the file named by
    training.config, defaults.

    Raises:
        ConfigError: lists every fault found, each with its key, the value and what to write instead.
    """
    return read_config(path, overrides, environ).config


def read_config(
    path: Path | str,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    strongest: Mapping[str, Any] | None = None,
    giver: str = "",
) -> Loaded:
    """Like `load_config`, with what became of original keys and of another system's paths.

    `strongest` maps dotted keys to values that win over everything else; `giver` names their source in errors.
    """
    path = Path(path)
    stronger = [*_from_environment(os.environ if environ is None else environ), *map(_split, overrides)]
    stronger += [(key, value, giver) for key, value in (strongest or {}).items()]
    raw, translation = _main_file(
        path, next((value for key, value, _ in reversed(stronger) if key == INPUTS_ROOT), None)
    )
    given: dict[str, str] = {}
    write_out(raw)
    for dotted, value, source in stronger:
        assign(raw, dotted, value)
        write_out(raw)
        given[dotted] = source
    other, named = _fill_training(raw, path)
    translation = translation or named
    raw = {key: value for key, value in raw.items() if value is not None or section_of(Config, str(key)) is None}
    moved = on_this_host(raw)
    files = f"{path} and {other}" if other else str(path)
    faults = dict.fromkeys(translation.faults, str(translation.file)) if translation else {}
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise config_error(error, files, _sources(translation) | given, faults) from error
    if faults:
        raise config_error(None, files, given, faults)
    return Loaded(config, translation, moved)


def load_for_files(files: Sequence[str], path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Return a configuration whose data set is these files: the one in `path`, or else one without a model.

    Raises:
        ConfigError: lists every fault found.
    """
    if path is not None:
        config = load_config(path, overrides)
        return config.model_copy(update={"dataset": config.dataset.model_copy(update={"paths": list(files)})})
    raw: dict[str, Any] = {"model_a": {"base_model": "-"}, "dataset": {"paths": list(files)}}
    given: dict[str, str] = {}
    for dotted, value, source in map(_split, overrides):
        assign(raw, dotted, value)
        given[dotted] = source
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise config_error(error, "--set", given) from error


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
        assign(raw, key, value)
        given[f"ab_test.{key}"] = source
    raw.setdefault("gate", [clause for clause in DEFAULT_GATE if BY_NAME[clause.metric].source == "answers"])
    around = {"model_a": {"base_model": "-"}, "dataset": {"paths": ["-"]}}
    try:
        return Config.model_validate({**around, "ab_test": raw}).ab_test
    except ValidationError as error:
        raise config_error(error, str(path or "--set"), given) from error


def _test_section(path: Path) -> dict[str, Any]:
    raw = read_yaml(path, "gate file")
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
    if config.ab_test.test_data and config.test_data is None:
        found.append("ab_test.test_data is one of dataset.paths: its test files, or rows held out of it, are the test")
    return [*found, *elsewhere(config)]


def _main_file(path: Path, root: Any) -> tuple[dict[str, Any], Translation | None]:
    """Return the file's keys; a file of the original form that only trains makes model B from its model."""
    raw = read_keys(path, "configuration file")
    if not is_original(raw):
        return raw, None
    found = translated(path, raw, {}, root or raw.get(INPUTS_ROOT))
    found = found.renamed("model_b.base_model", "model_a.base_model")
    return found.fill({}), found


def _fill_training(raw: dict[str, Any], path: Path) -> tuple[Path | None, Translation | None]:
    """Merge the keys of the file named by training.config under `raw`'s own; return that file, if there is one."""
    training = raw.get("training")
    if not isinstance(training, dict) or not training.get("config"):
        return None, None
    root = raw.get(INPUTS_ROOT)
    named = Path(here(str(training["config"]), root))
    candidates = [named, path.parent / named, path.parent.parent / named, path.parent / named.name]
    found = next((c for c in candidates if os.path.isfile(c)), named)  # noqa: PTH113 - never raises
    values = read_keys(found, "training.config file")
    if is_original(values):
        translation = translated(found, values, raw, root)
        translation.fill(raw)
        return found, translation
    values = values.get("training", values) if set(values) == {"training"} else values
    raw["training"] = merged(values, training)
    return found, None


def _sources(translation: Translation | None) -> dict[str, str]:
    """The original key that set a present one."""
    lines = translation.lines if translation else []
    return {line.becomes: f"{line.key} in {translation.file}" for line in lines if line.becomes and translation}


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """Yield dotted key, value and variable name."""
    if root := environ.get(VARIABLE):
        yield INPUTS_ROOT, root, VARIABLE
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
