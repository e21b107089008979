"""The configurations that are shipped, and what the documents tell people to copy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config

ROOT = Path(__file__).resolve().parents[4]
CONFIGS = ROOT / "configs"


@pytest.mark.parametrize("name", ["demo", "my-model", "borea-phi35"])
def test_model_b_is_model_a_retrained(name: str) -> None:
    """Each loads, and whoever edits model_a.base_model alone tests that model against itself, retrained."""
    config = load_config(CONFIGS / f"{name}.yaml", environ={})
    assert config.base_of_b.base_model == config.model_a.base_model
    if name != "borea-phi35":  # the original project's file, key by key
        other = load_config(CONFIGS / f"{name}.yaml", ["model_a.base_model=elsewhere"], environ={})
        assert other.base_of_b.base_model == "elsewhere"


def test_the_template_brings_nothing_along() -> None:
    """Of the file that people copy, training and test are the defaults, and its folders are no other file's."""
    mine, demo = (load_config(CONFIGS / f"{name}.yaml", environ={}) for name in ("my-model", "demo"))
    plain = Config.model_validate({"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}})
    for section in ("training", "ab_test", "gguf", "visualization", "store"):
        assert getattr(mine, section) == getattr(plain, section)
    assert not {mine.output_base_dir, mine.checkpoint_dir} & {demo.output_base_dir, demo.checkpoint_dir}
    assert mine.ollama.model_a_name != demo.ollama.model_a_name


@pytest.mark.parametrize("name", ["my-model", "borea-phi35"])
def test_models_and_data_lie_below_the_folder_that_containers_mount(name: str) -> None:
    """Containers see inputs/ and configs/ alone, when .env has the lines of docs/containers.md."""
    config = load_config(CONFIGS / f"{name}.yaml", environ={})
    places = [config.model_a.base_model, config.base_of_b.base_model, *config.dataset.paths]
    assert {Path(str(place)).parts[0] for place in places} == {"inputs"}


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_the_documents_copy_the_template(path: Path) -> None:
    """Where a document says to copy a configuration, it is that one."""
    assert set(re.findall(r"\bcp configs/(\S+)", path.read_text(encoding="utf-8"))) <= {"my-model.yaml"}
