"""A study's file: the configuration of each member, and what an arm may not set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from so8t_shared.errors import ConfigError
from so8t_shared.studies.load import LoadedStudy, load_study, values_of

ARMS = [{"name": "lora", "set": {"training": {"so8t": {"enabled": False}}}}, {"name": "so8t"}]


def study_file(folder: Path, base: dict[str, Any] | None = None, **keys: Any) -> Path:
    """Write a study of two arms and two seeds, and its base; `keys` win."""
    raw = {
        "model_a": {"base_model": str(folder / "model")},
        "dataset": {"paths": [str(folder / "rows.jsonl")]},
        "checkpoint_dir": str(folder / "store"),
        "output_base_dir": str(folder / "results"),
        **(base or {}),
    }
    (folder / "base.yaml").write_text(yaml.safe_dump(raw))
    study = {"name": "gates", "base": "base.yaml", "seeds": [1, 2], "arms": ARMS, "reference": "lora", **keys}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def _fault(folder: Path, base: dict[str, Any] | None = None, **keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_study(study_file(folder, base, **keys))
    return str(caught.value)


def _named(loaded: LoadedStudy) -> dict[str, tuple[bool, int]]:
    return {
        member.config.session_id_format: (member.config.training.so8t.enabled, member.config.training.seed)
        for member in loaded.members
    }


def test_members(tmp_path: Path) -> None:
    """Every arm with every seed is an ordinary configuration with a session and a model name of its own."""
    loaded = load_study(study_file(tmp_path))
    assert _named(loaded) == {
        "gates-lora-s1": (False, 1),
        "gates-so8t-s1": (True, 1),
        "gates-lora-s2": (False, 2),
        "gates-so8t-s2": (True, 2),
    }
    assert len({member.config.ollama.model_b_name for member in loaded.members}) == 4
    assert values_of(loaded.study.arms[0]) == {"training.so8t.enabled": "False"}


def test_keys_of_the_study_apply_to_all_arms(tmp_path: Path) -> None:
    """An arm's own value wins over the study's, and the study's over the base's."""
    arms = [*ARMS, {"name": "long", "set": {"training.max_steps": 30}}]
    loaded = load_study(
        study_file(tmp_path, {"training": {"max_steps": 10}}, arms=arms, set={"training.max_steps": 20})
    )
    assert [member.config.training.max_steps for member in loaded.members[:3]] == [20, 20, 30]
    assert loaded.base.training.max_steps == 20


def test_default_families(tmp_path: Path) -> None:
    """All arms against A are one family, and the others against the reference another."""
    assert load_study(study_file(tmp_path)).study.pairs() == {
        "against A": [("lora", "A"), ("so8t", "A")],
        "against lora": [("so8t", "lora")],
    }
    assert load_study(study_file(tmp_path, families={"gates": [["so8t", "lora"]]})).study.pairs() == {
        "gates": [("so8t", "lora")]
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_a.base_model", "elsewhere"),
        ("ab_test.seed", 3),
        ("dataset.split_seed", 3),
        ("training.seed", 3),
        ("session_id_format", "mine"),
        ("checkpoint_dir", "elsewhere"),
        ("ollama.model_b_name", "mine"),
    ],
)
def test_an_arm_that_could_not_be_compared_is_refused(tmp_path: Path, key: str, value: object) -> None:
    """Arms share A, rows, test and places; seeds and names are the study's."""
    assert f"arm so8t, {key}" in _fault(tmp_path, arms=[ARMS[0], {"name": "so8t", "set": {key: value}}])


def test_an_arm_may_have_other_data_if_the_test_rows_are_given(tmp_path: Path) -> None:
    """With ab_test.test_data, all arms are asked the same rows, whatever they are trained on."""
    arms = [ARMS[1], {"name": "more-rows", "set": {"dataset.paths": [str(tmp_path / "more.jsonl")]}}]
    assert "ab_test.test_data" in _fault(tmp_path, arms=arms, reference="")
    base = {"ab_test": {"test_data": str(tmp_path / "test.jsonl")}}
    loaded = load_study(study_file(tmp_path, base, arms=arms, reference=""))
    assert [Path(member.config.dataset.paths[0]).name for member in loaded.members[:2]] == ["rows.jsonl", "more.jsonl"]


def test_equal_arms_are_refused(tmp_path: Path) -> None:
    """Two arms with the same configuration would be one model counted twice."""
    arms = [{"name": "one"}, {"name": "two", "set": {"training.so8t.enabled": True}}]
    assert "arm two: the same as arm one" in _fault(tmp_path, arms=arms, reference="")


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Every fault of every arm is in one error, with its arm and key."""
    arms = [
        {"name": "one", "set": {"training.max_stps": 3, "training.lora.r": -1}},
        {"name": "two", "set": {"training.learning_rate": "fast"}},
    ]
    told = _fault(tmp_path, arms=arms, reference="")
    for words in ("training.max_stps", "did you mean 'max_steps'", "training.lora.r", "training.learning_rate"):
        assert words in told


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sedes": [1]}, "did you mean 'seeds'"),
        ({"seeds": [1, 1]}, "twice"),
        ({"seeds": []}, "seeds"),
        ({"name": "Mine/.."}, "name"),
        ({"reference": "other"}, "no arm 'other'"),
        ({"families": {"f": [["so8t", "other"]]}}, "no arm 'other'"),
        ({"families": {"f": [["so8t", "so8t"]]}}, "itself"),
        ({"arms": [{"name": "one"}, {"name": "one"}]}, "twice"),
        ({"arms": [{"name": "one", "model": {"gguf": "x.gguf"}, "set": {"training.max_steps": 1}}]}, "not trained"),
        ({"set": {"training.seed": 1}}, "training.seed"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    """Unknown keys, names that are no names, and pairs of arms that do not exist."""
    assert words in _fault(tmp_path, **keys)


def test_an_external_model(tmp_path: Path) -> None:
    """It is one member without a seed, tested as it is at the quantization that decides."""
    arms = [ARMS[1], {"name": "other", "model": {"gguf": "other.gguf"}}]
    loaded = load_study(study_file(tmp_path, arms=arms, reference=""))
    (other,) = [member for member in loaded.members if member.arm.name == "other"]
    assert (other.seed, other.name, other.config.session_id_format) == (None, "other", "gates-other")
    assert (other.config.gguf_b, other.config.gguf.quantizations) == (str(tmp_path / "other.gguf"), ["q4_k_m"])


def test_a_model_on_a_server(tmp_path: Path) -> None:
    """It is asked at the quantization that decides, on the base's server or its own, where A is asked, too."""
    arms = [
        {"name": "theirs", "model": {"ollama": "theirs:1"}},
        {"name": "far", "model": {"ollama": "theirs:1", "host": "http://far:1"}},
    ]
    base = {"ab_test": {"engine": "ollama"}, "ollama": {"host": "http://near:1", "hosts": ["http://also:1"]}}
    theirs, far = load_study(study_file(tmp_path, base, arms=arms, reference="")).members
    assert (theirs.seed, theirs.config.served_b, theirs.config.gguf.quantizations) == (None, "theirs:1", ["q4_k_m"])
    assert (theirs.config.ollama.host, theirs.config.ollama.hosts) == ("http://near:1", ["http://also:1"])
    assert (far.config.ollama.host, far.config.ollama.hosts) == ("http://far:1", [])


@pytest.mark.parametrize(
    ("engine", "model", "words"),
    [
        ("embedded", {"ollama": "theirs:1"}, "set ab_test.engine to ollama"),
        ("ollama", {"ollama": "gates-so8t-s2:f16"}, "importing arm so8t would replace gates-so8t-s2:f16"),
        ("ollama", {"ollama": "x", "gguf": "x.gguf"}, "either a gguf file or a model"),
        ("ollama", {}, "either a gguf file or a model"),
        ("ollama", {"gguf": "x.gguf", "host": "http://far:1"}, "host belongs to ollama"),
    ],
)
def test_a_model_on_a_server_that_cannot_be_an_arm(
    tmp_path: Path, engine: str, model: dict[str, str], words: str
) -> None:
    """Two engines in one study, a name that another arm takes, and what is no one model."""
    arms = [ARMS[1], {"name": "theirs", "model": model}]
    assert words in _fault(tmp_path, {"ab_test": {"engine": engine}}, arms=arms, reference="")


def test_a_study_asks_all_rows(tmp_path: Path) -> None:
    """Models that ended at different rows could not be paired."""
    assert "ab_test.until_decided" in _fault(tmp_path, {"ab_test": {"until_decided": True}})
