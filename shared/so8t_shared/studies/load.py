"""Reads a study's file, and the configuration of each of its members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from so8t_shared.config.faults import config_error, section_of
from so8t_shared.config.load import Loaded, read_config
from so8t_shared.config.model import Config
from so8t_shared.config.study import Arm, Study
from so8t_shared.config.yaml_files import read_keys
from so8t_shared.errors import ConfigError
from so8t_shared.formatting import plural
from so8t_shared.sessions.session import config_digest
from so8t_shared.tables.quantizations import Quantization

_FREE = ("training", "model_b", "gguf", "dataset")
"""Sections in which arms may differ."""
_SEED = "training.seed"
_OURS = (_SEED, "session_id_format", "ollama.model_b_name")
"""Keys that the study itself sets."""


@dataclass(frozen=True)
class PlannedMember:
    """One model of the study: an arm with a seed."""

    arm: Arm
    seed: int | None
    """None for an external model."""
    config: Config

    @property
    def name(self) -> str:
        """Arm and seed, for people."""
        return self.arm.name if self.seed is None else f"{self.arm.name}, seed {self.seed}"


@dataclass(frozen=True)
class LoadedStudy:
    """A study's file and the configurations that it leads to."""

    path: Path
    study: Study
    base: Config
    members: tuple[PlannedMember, ...]
    """By seed, then in the order of the arms, so that an unfinished study has as many members of each arm."""
    notes: tuple[str, ...]


def load_study(path: Path) -> LoadedStudy:
    """Read a study's file.

    Raises:
        ConfigError: lists every fault found in the file, or in what its arms set.
    """
    raw = read_keys(path, "study file")
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        raise config_error(error, str(path), {}, root=Study) from error
    file = path.parent / study.base
    common = dict(_flat(study.set))
    loaded = read_config(file, strongest=common, giver=f"{path}, set")
    overrides = {arm.name: dict(_flat(arm.set)) for arm in study.arms}
    faults = [f"set, {key}: the study sets it" for key in common if key in _OURS]
    faults += [fault for arm in study.arms for fault in _not_free(arm, overrides[arm.name], loaded.config)]
    primary = loaded.config.gguf.primary_quantization
    keys = {
        arm.name: {**common, **overrides[arm.name], **_of_external(arm, path.parent, primary)} for arm in study.arms
    }
    members, found = ([], []) if faults else _members(study, file, keys)
    faults += found or [*_twins(study, members), *_overwritten(members)]
    if any(member.config.ab_test.until_decided for member in members):
        faults.append("ab_test.until_decided: a study compares its models on the same rows; remove it")
    if faults:
        lines = "\n".join(f"    - {fault}" for fault in dict.fromkeys(faults))
        raise ConfigError(
            f"The study has {len(set(faults))} {plural(len(set(faults)), 'fault', 'faults')}.",
            where=f"{path}\n{lines}",
            remedy="correct these arms; docs/study.md says what an arm may set",
        )
    return LoadedStudy(path, study, loaded.config, tuple(members), tuple(loaded.notes()))


def _members(study: Study, file: Path, keys: Mapping[str, Mapping[str, Any]]) -> tuple[list[PlannedMember], list[str]]:
    """Return all members, and a line for each fault in what the arms set (`keys`, by arm)."""
    members: list[PlannedMember] = []
    faults: list[str] = []
    for seed in study.seeds:
        for arm in study.arms:
            if arm.model is not None and seed != study.seeds[0]:
                continue
            try:
                members.append(_member(study, arm, seed, file, keys[arm.name]))
            except ConfigError as error:
                faults += [line.strip().removeprefix("- ") for line in error.where.splitlines()[1:]]
    return members, faults


def values_of(arm: Arm) -> dict[str, str]:
    """What an arm sets, by dotted key, as text."""
    return {key: str(value) for key, value in _flat(arm.set)}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values of sections within sections, which may be dotted themselves."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and _is_section(key):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _is_section(dotted: str) -> bool:
    section: Any = Config
    for name in dotted.split("."):
        section = section_of(section, name) if section else None
    return section is not None


def _not_free(arm: Arm, overrides: Mapping[str, Any], base: Config) -> Iterator[str]:
    """Yield a sentence for each key that would make this arm's answers incomparable."""
    for key in overrides:
        section = key.partition(".")[0]
        if key in _OURS:
            yield f"arm {arm.name}, {key}: the study sets it"
        elif section not in _FREE:
            yield f"arm {arm.name}, {key}: arms may differ only in {', '.join(_FREE)}; set it in the base"
        elif section == "dataset" and base.test_data is None:
            yield (
                f"arm {arm.name}, {key}: other data would hold out other test rows;"
                " name the rows of all arms in the base's ab_test.test_data"
            )


def _member(study: Study, arm: Arm, seed: int, file: Path, overrides: Mapping[str, Any]) -> PlannedMember:
    seeded = arm.model is None
    name = f"{study.name}-{arm.name}" + (f"-s{seed}" if seeded else "")
    own = {**overrides, "session_id_format": name, "ollama.model_b_name": name, **({_SEED: seed} if seeded else {})}
    loaded: Loaded = read_config(file, strongest=own, giver=f"arm {arm.name}")
    return PlannedMember(arm, seed if seeded else None, loaded.config)


def _of_external(arm: Arm, folder: Path, primary: Quantization) -> dict[str, Any]:
    """Keys with which a finished model is tested; none for an arm that is trained."""
    if arm.model is None:
        return {}
    model: dict[str, Any] = {"ollama": arm.model.ollama}
    if arm.model.gguf:
        model = {"gguf": str(folder / arm.model.gguf)}
    server = {"ollama.host": arm.model.host, "ollama.hosts": []} if arm.model.host else {}
    given = {**model, "description": arm.description}
    return {"model_b": given, "gguf.quantizations": [primary], "gguf.primary": primary, **server}


def _overwritten(members: list[PlannedMember]) -> list[str]:
    """Sentences about models on a server that the import of another arm's model would replace."""
    return [
        f"arm {one.arm.name}: importing arm {other.arm.name} would replace {one.config.served_b}; rename that arm"
        for one in members
        for other in members
        if one.config.served_b in other.config.imported_names()
    ]


def _twins(study: Study, members: list[PlannedMember]) -> list[str]:
    """Sentences about arms that lead to the same configuration."""
    first: dict[tuple[str, str | None], str] = {}
    found = []
    for member in members:
        if member.seed in {None, study.seeds[0]}:
            server = member.arm.model.host if member.arm.model else None  # another may have another model of that name
            alike = (config_digest(_unnamed(member.config)), server)
            if alike in first:
                found.append(f"arm {member.arm.name}: the same as arm {first[alike]}")
            first.setdefault(alike, member.arm.name)
    return found


def _unnamed(config: Config) -> Config:
    ollama = config.ollama.model_copy(update={"model_b_name": "b"})
    return config.model_copy(update={"session_id_format": "s", "ollama": ollama})
