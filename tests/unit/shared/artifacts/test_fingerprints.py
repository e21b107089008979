"""Fingerprints: what reruns which stage, and what reruns nothing."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.unit.shared.artifacts.reruns import RERUNS
from tests.unit.shared.material import make_config, make_model
from tests.unit.shared.ollama_answers import OllamaAnswers

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import changed_parts, fingerprint, stage_key, value_in
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.config.model import Config
from so8t_shared.config.table import config_keys
from so8t_shared.results.verification import VERIFICATIONS
from so8t_shared.stages import BY_NAME, STAGES


@pytest.fixture
def raw(tmp_path: Path) -> dict[str, Any]:
    """A configuration with every input present and every optional section given."""
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": "ALLOW"}\n')
    (tmp_path / "test.jsonl").write_text('{"text": "b", "label": "DENY"}\n')
    source = {"license": "cc0-1.0", "provenance": "tests"}
    return {
        "model_a": {"base_model": str(make_model(tmp_path / "a"))},
        "model_b": {"base_model": str(make_model(tmp_path / "b"))},
        "dataset": {"paths": [str(tmp_path / "rows.jsonl")], "source": source},
        "training": {"config": "some.yaml", "early_stopping": {}},
        "ab_test": {"test_data": str(tmp_path / "test.jsonl"), "policy": {"false_allow": 0.02}, "retention": "shipped"},
        "think": {"tls_cert": "cert.pem", "tls_key": "key.pem"},
    }


def _manifest(name: str) -> Manifest:
    entry = FileEntry(path=f"{name}/x", size_bytes=1, sha256="a" * 64)
    return Manifest(files=(entry,))


def _fingerprints(config: Config, digests: DigestCache) -> dict[str, str]:
    upstream = {stage.name: _manifest(stage.name) for stage in STAGES}
    return {stage.name: fingerprint(stage_key(stage, config, upstream, digests)) for stage in STAGES}


def _with(raw: dict[str, Any], dotted: str, value: Any, tmp_path: Path) -> dict[str, Any]:
    """The configuration with another value at one key; COPY stands for a copy of what is there now."""
    changed = Config.model_validate(raw).model_dump(mode="json")
    *sections, key = dotted.split(".")
    node = changed
    for section in sections:
        node = node[section]
    if value in ("COPY", ["COPY"]):
        old = Path(node[key][0] if isinstance(node[key], list) else node[key])
        new = tmp_path / "moved" / old.name
        new.parent.mkdir(exist_ok=True)
        shutil.copytree(old, new) if old.is_dir() else shutil.copy(old, new)
        value = [str(new)] if isinstance(node[key], list) else str(new)
    if value in ("TERMS", "GGUF"):
        value = str(tmp_path / f"{value}.txt")
        Path(value).write_text("terms", encoding="utf-8")
    node[key] = value
    return changed


def test_every_key_is_decided() -> None:
    """RERUNS has exactly the keys of the configuration: a new one cannot be forgotten."""
    assert set(RERUNS) == {key for key, _ in config_keys()}


@pytest.mark.parametrize("key", list(RERUNS))
def test_what_a_key_reruns(
    raw: dict[str, Any], digests: DigestCache, tmp_path: Path, key: str, ollama_answers: OllamaAnswers
) -> None:
    """Another value of a key changes the fingerprint of exactly the stages in the table."""
    value, expected = RERUNS[key]
    if value == "GGUF":  # what a finished file needs
        raw = {**raw, "model_b": {"description": "theirs"}, "gguf": {"quantizations": ["q8_0"]}}
    if value == "SERVED":
        raw = {**raw, "model_b": {"description": "theirs"}, "gguf": {"quantizations": ["q8_0"]}}
        raw |= {
            "ab_test": {**raw["ab_test"], "engine": "ollama", "retention": None},
            "ollama": {"host": ollama_answers.address},
        }
        value = "theirs:1"
    before = _fingerprints(Config.model_validate(raw), digests)
    after = _fingerprints(Config.model_validate(_with(raw, key, value, tmp_path)), digests)
    assert {name for name in before if before[name] != after[name]} == expected


@pytest.mark.parametrize("option", [{"policy": {"false_allow": 0.02}}, {"retention": "shipped"}])
def test_an_option_that_is_off_is_no_part_of_a_key(
    raw: dict[str, Any], digests: DigestCache, option: dict[str, Any]
) -> None:
    """An option that is off leaves the keys as they were; one that is on has the models asked more."""
    for name in ("policy", "retention"):
        raw["ab_test"].pop(name)
    raw["gguf"] = {**raw.get("gguf", {}), "verify": False}
    off = Config.model_validate(raw)
    on = Config.model_validate({**raw, "ab_test": {**raw["ab_test"], **option}})
    before, after = _fingerprints(off, digests), _fingerprints(on, digests)
    assert {name for name in before if before[name] != after[name]} == {"evaluate", "conclude"}
    upstream = {stage.name: _manifest(stage.name) for stage in STAGES}
    for stage in STAGES:
        key = stage_key(stage, off, upstream, digests)
        assert set(key["config"]) == {*stage.reads, *stage.facts}
        assert stage_key(dataclasses.replace(stage, options={}), off, upstream, digests) == key


def test_what_is_named_like_a_key_has_its_value(raw: dict[str, Any], digests: DigestCache) -> None:
    """The verification of a bundle compares it with the configuration."""
    config = Config.model_validate(raw)
    whole, upstream = config.model_dump(mode="json"), {stage.name: _manifest(stage.name) for stage in STAGES}
    names = {key for key, _ in config_keys()} | {key.rpartition(".")[0] for key, _ in config_keys()}
    for stage in STAGES:
        for name, value in stage_key(stage, config, upstream, digests)["config"].items():
            assert name not in names or value_in(whole, name) == value, name


def test_what_is_verified_of_the_files_has_nobody_asked_again(raw: dict[str, Any], digests: DigestCache) -> None:
    """The import stage alone names it, and evaluate reads none of it."""
    on = Config.model_validate(raw)
    off = Config.model_validate({**raw, "gguf": {**raw.get("gguf", {}), "verify": False}})
    before, after = _fingerprints(off, digests), _fingerprints(on, digests)
    assert {name for name in before if before[name] != after[name]} == {"import"}
    assert not any(name.startswith(BY_NAME["evaluate"].needs["import"]) for name in VERIFICATIONS.values())


def test_a_ladder_that_is_off_is_no_part_of_a_key(raw: dict[str, Any], digests: DigestCache) -> None:
    """Without ab_test.ladder, keys, needs and inputs are as if there were no such option."""
    off = Config.model_validate(raw)
    on = Config.model_validate({**raw, "ab_test": {**raw["ab_test"], "ladder": True}})
    upstream = {stage.name: _manifest(stage.name) for stage in STAGES}
    for name in ("evaluate", "report"):
        stage = BY_NAME[name]
        assert stage.under(off) is stage
        assert stage.starts(off) == ()
        others = {key: option for key, option in stage.options.items() if key != "ladder"}
        plain = dataclasses.replace(stage, options=others, inputs=lambda config: [])
        assert stage_key(stage, off, upstream, digests) == stage_key(plain, off, upstream, digests)
    assert BY_NAME["evaluate"].modules(on) == ("so8t_evaluator", "so8t_trainer")
    assert "merged/" in BY_NAME["evaluate"].under(on).needs["train"]
    assert BY_NAME["report"].under(on).needs["evaluate"] == ("samples.jsonl", "retention.jsonl", "ladder.json")
    assert set(stage_key(BY_NAME["evaluate"], on, upstream, digests)["inputs"]) == {"model_b"}


def test_a_model_pulled_anew(raw: dict[str, Any], digests: DigestCache, ollama_answers: OllamaAnswers) -> None:
    """The server's digest and the name count, the server's address does not."""
    raw |= {"gguf": {"quantizations": ["q8_0"]}, "ollama": {"host": ollama_answers.address}}
    raw |= {"ab_test": {**raw["ab_test"], "engine": "ollama", "retention": None}, "model_b": {"ollama": "theirs:1"}}
    first, again = (_fingerprints(Config.model_validate(raw), digests)["convert-b"] for _ in range(2))
    ollama_answers.answers["/api/tags"] = {"models": [{"name": "theirs:1", "digest": "e" * 64, "size": 1}]}
    pulled = _fingerprints(Config.model_validate(raw), digests)["convert-b"]
    ollama_answers.answers["/api/tags"] = {"models": [{"name": "theirs:2", "digest": "d" * 64, "size": 1}]}
    renamed = _fingerprints(Config.model_validate({**raw, "model_b": {"ollama": "theirs:2"}}), digests)["convert-b"]
    assert first == again
    assert len({first, pulled, renamed}) == 3


def test_order_of_keys_and_defaults_written_out(raw: dict[str, Any], digests: DigestCache) -> None:
    """The same configuration in another order, or with its defaults spelled out, is the same."""
    plain = Config.model_validate(raw)
    full = plain.model_dump(mode="json")
    turned = {key: dict(reversed(v.items())) if isinstance(v, dict) else v for key, v in reversed(full.items())}
    expected = _fingerprints(plain, digests)
    assert _fingerprints(Config.model_validate(turned), digests) == expected
    capitals = {**raw, "gguf": {"quantizations": ["F16", "Q8_0", "Q4_K_M"]}}
    assert _fingerprints(Config.model_validate(capitals), digests) == expected


def test_the_version_of_a_stage_is_part_of_its_key(raw: dict[str, Any], digests: DigestCache) -> None:
    """A stage whose output changes for the same input raises its version, and is computed anew."""
    config = Config.model_validate(raw)
    old = stage_key(BY_NAME["convert-a"], config, {}, digests)
    new = stage_key(dataclasses.replace(BY_NAME["convert-a"], version=99), config, {}, digests)
    assert fingerprint(old) != fingerprint(new)


def test_only_files_that_are_read_matter(raw: dict[str, Any], digests: DigestCache) -> None:
    """evaluate reads train's splits: another merged checkpoint alone does not ask the models again."""
    config = Config.model_validate(raw)

    def key(train: Manifest) -> str:
        upstream = {**{stage.name: _manifest(stage.name) for stage in STAGES}, "train": train}
        return fingerprint(stage_key(BY_NAME["evaluate"], config, upstream, digests))

    def manifest(split: str, merged: str) -> Manifest:
        files = (("merged/model.safetensors", merged), ("splits/test.jsonl", split))
        return Manifest(files=tuple(FileEntry(path=p, size_bytes=1, sha256=d * 64) for p, d in files))

    assert key(manifest("1", "2")) == key(manifest("1", "3"))
    assert key(manifest("1", "2")) != key(manifest("3", "2"))


def test_changed_parts(raw: dict[str, Any], digests: DigestCache, tmp_path: Path) -> None:
    """Each difference is named by its configuration key, its input or its upstream stage, with old and new."""
    upstream = {stage.name: _manifest(stage.name) for stage in STAGES}
    old = stage_key(BY_NAME["train"], Config.model_validate(raw), upstream, digests)
    (tmp_path / "rows.jsonl").write_text("{}\n")
    changed = {**raw, "training": raw["training"] | {"learning_rate": 0.5, "pet": {"lambdas": [0, 0, 0]}}}
    new = stage_key(BY_NAME["train"], Config.model_validate(changed), upstream, digests)
    parts = changed_parts(old, new)
    assert parts[0] == "training.learning_rate: 0.0002 -> 0.5"
    assert parts[1] == "training.pet.lambdas: [0.01, 0.05, 0.1] -> [0.0, 0.0, 0.0]"
    assert parts[2].startswith("dataset.paths[0]: ")
    assert len(parts[2].split(": ")[1]) == 12 + 4 + 12
    assert len(parts) == 3
    assert changed_parts(old, old) == []


def test_changed_upstream(config: Config, digests: DigestCache) -> None:
    """A new result of the stage before is named as such."""
    one, two = ({"train": Manifest(files=(FileEntry(path="merged/x", size_bytes=1, sha256=d * 64),))} for d in "12")
    [part] = changed_parts(*(stage_key(BY_NAME["convert-b"], config, up, digests) for up in (one, two)))
    assert part.startswith("upstream.train: ")


def test_paths_are_not_in_the_key(tmp_path: Path, digests: DigestCache, raw: dict[str, Any]) -> None:
    """No part of a key holds a path of this machine."""
    upstream = {stage.name: _manifest(stage.name) for stage in STAGES}
    config = make_config(tmp_path, **raw)
    for stage in STAGES:
        assert str(tmp_path) not in str(stage_key(stage, config, upstream, digests))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"batch_size": 8}, {"batch_size": 1, "gradient_accumulation_steps": 8}),
        ({"use_qlora": True}, {"base_bits": 8}),
        ({"optimizer": "adamw_8bit"}, {"optimizer": "paged_adamw_8bit"}),
        ({"so8t": {"layers": "4-6"}}, {"so8t": {"layers": [6, 5, 4]}}),
    ],
)
def test_equivalent_settings_share_checkpoints(
    raw: dict[str, Any], tmp_path: Path, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """What changes only how much memory a step needs, or how it is written, keeps the stage's key."""
    digests = DigestCache(tmp_path / "digests.sqlite")
    keys = [_fingerprints(Config.model_validate(raw | {"training": values}), digests) for values in (one, other, {})]
    assert keys[0] == keys[1]
    assert keys[0]["train"] != keys[2]["train"] or one == {"batch_size": 8}
