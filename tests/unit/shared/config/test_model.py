"""The configuration's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from so8t_shared.canonical import canonical_json
from so8t_shared.config.faults import section_of
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.model import Config, Visualization
from so8t_shared.config.table import config_keys

MINIMAL: dict[str, Any] = {"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}}


def _sections(section: type[BaseModel] = Config) -> list[type[BaseModel]]:
    inner = [found for name in section.model_fields if (found := section_of(section, name))]
    return [section, *(deeper for each in inner for deeper in _sections(each))]


def test_every_key_is_described() -> None:
    """Each key says in a sentence what it means."""
    assert [key for key, info in config_keys() if not (info.description or "").endswith(".")] == []
    assert len(list(config_keys())) > 60


def test_every_section_is_strict() -> None:
    """Unknown keys, changes after loading and infinite numbers are refused everywhere."""
    for section in _sections():
        assert section.model_config.get("extra") == "forbid"
        assert section.model_config.get("frozen") is True
        assert section.model_config.get("allow_inf_nan") is False
        assert section.__doc__


def test_it_can_be_stored() -> None:
    """Every configuration has canonical JSON, from which it comes back."""
    config = Config.model_validate(MINIMAL)
    assert Config.model_validate_json(canonical_json(config.model_dump(mode="json"))) == config


def test_it_cannot_be_changed() -> None:
    """A loaded configuration stays as it was fingerprinted."""
    config = Config.model_validate(MINIMAL)
    with pytest.raises(ValidationError) as caught:
        config.device = "cpu"
    assert [fault["type"] for fault in caught.value.errors()] == ["frozen_instance"]


@pytest.mark.parametrize(
    ("section", "primary"),
    [
        ({}, "q4_k_m"),
        ({"quantizations": ["Q8_0", "F16"]}, "f16"),
        ({"quantizations": ["q8_0", "f16"], "primary": "Q8_0"}, "q8_0"),
    ],
)
def test_primary_quantization(section: dict[str, Any], primary: str) -> None:
    """The one that ships: as named, else the last listed."""
    assert Gguf.model_validate(section).primary_quantization == primary


def test_one_path_is_a_list_of_one() -> None:
    """A single data set need not be written as a list."""
    assert Config.model_validate({**MINIMAL, "dataset": {"paths": "d"}}).dataset.paths == ["d"]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("charts", "charts"),
        ("out/charts/", "charts"),
        ("/abs/olute/charts", "charts"),
        ("D:\\webdataset\\visualizations", "visualizations"),
        ("図", "図"),
    ],
)
def test_pictures_stay_inside_the_report(given: str, used: str) -> None:
    """Of a path, as the original pipeline had it, the last name counts."""
    assert Visualization.model_validate({"output_dir": given}).output_dir == used


@pytest.mark.parametrize("given", ["", ".", "..", "a/..", "/", "a:b", ".hidden", "a\nb"])
def test_pictures_cannot_lie_elsewhere(given: str) -> None:
    """A name that climbs, or that the store would refuse after hours of work, is refused now."""
    with pytest.raises(ValidationError):
        Visualization.model_validate({"output_dir": given})


@pytest.mark.parametrize("name", ["a", "borea-phi35-so8t-base", "a.b_c-1"])
def test_model_names(name: str) -> None:
    """Names that Ollama takes."""
    assert Config.model_validate({**MINIMAL, "ollama": {"model_a_name": name}}).ollama.model_a_name == name


@pytest.mark.parametrize("name", ["", "A", "a:b", "a/b", "-a", "a-", "a b", "名前", "a\n"])
def test_odd_model_names(name: str) -> None:
    """Names that Ollama would refuse, or read as a tag."""
    with pytest.raises(ValidationError):
        Config.model_validate({**MINIMAL, "ollama": {"model_a_name": name}})


@pytest.mark.parametrize(
    ("section", "base", "description"),
    [
        (None, "m", "A"),
        ({"description": "retrained"}, "m", "retrained"),
        ({"base_model": "other"}, "other", ""),
        ({"base_model": None, "description": "x"}, "m", "x"),
    ],
)
def test_base_of_b(section: dict[str, Any] | None, base: str, description: str) -> None:
    """Model B starts from model A unless model_b.base_model names another folder; a description alone is enough."""
    raw = {**MINIMAL, "model_a": {"base_model": "m", "description": "A"}, "model_b": section}
    config = Config.model_validate(raw)
    assert (config.base_of_b.base_model, config.base_of_b.description) == (base, description)


def _external(**keys: Any) -> dict[str, Any]:
    given = {"gguf": {"quantizations": ["q8_0"]}, "ab_test": {"engine": "ollama"}, **keys}
    return {**MINIMAL, "model_b": {"ollama": "theirs"}, **given}


def test_a_model_on_a_server() -> None:
    """It keeps its name, with a tag, and nothing is imported for B."""
    config = Config.model_validate(_external())
    assert (config.external_b, config.served_b, config.name_b) == ("model_b.ollama", "theirs:latest", "theirs:latest")
    assert config.imported_names() == {"borea-phi35-so8t-base:q8_0", "borea-phi35-so8t-base:latest"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"ab_test": {"engine": "embedded"}}, "set ab_test.engine to ollama"),
        ({"ab_test": {"engine": "ollama", "ladder": True}}, "so8t-ab ladder --model"),
        ({"gguf": {"quantizations": ["f16", "q8_0"]}}, "model_b.ollama has only one"),
        ({"ollama": {"model_a_name": "theirs"}}, "would replace theirs:latest"),
        ({"model_b": {"ollama": "theirs", "gguf": "x.gguf"}}, "keep one"),
        ({"model_b": {"ollama": "no such name"}}, "ollama list"),
        ({"model_b": {"ollama": "http://host/x"}}, "ollama list"),
    ],
)
def test_a_model_on_a_server_that_cannot_be_compared(keys: dict[str, Any], words: str) -> None:
    """Two engines, two quantizations, a name that the import of A takes, and what is no name."""
    with pytest.raises(ValidationError, match=words):
        Config.model_validate(_external(**keys))


@pytest.mark.parametrize("name", ["qwen3:4b", "owner/model:tag", "hf.co/owner/model-GGUF:Q4_K_M", "host:5000/o/m:t"])
def test_names_on_a_server(name: str) -> None:
    """Names as `ollama list` shows them."""
    assert Config.model_validate(_external(model_b={"ollama": name})).served_b == name
