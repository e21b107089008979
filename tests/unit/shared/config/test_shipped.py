"""The configurations that are shipped, and what the documents tell people to copy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config
from so8t_shared.config.section import PLACEHOLDER
from so8t_shared.errors import ConfigError

ROOT = Path(__file__).resolve().parents[4]
CONFIGS = ROOT / "configs"
DEMO = ROOT / "demo" / "so8t_demo" / "demo.yaml"
TEMPLATE = ROOT / "shared" / "so8t_shared" / "config" / "template.yaml"


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """The shipped files, the template filled in."""
    for path in [*CONFIGS.glob("*.yaml"), DEMO, TEMPLATE]:
        text = path.read_text(encoding="utf-8").replace(PLACEHOLDER, "mine")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_template_must_be_filled_in(said: Said) -> None:
    """As it is shipped, it is no configuration: each line with CHANGE-ME is a fault, and no other."""
    with said.raised(ConfigError) as caught:
        load_config(TEMPLATE, environ={})
    named = re.findall(r"^ +- (\S+): ", caught.value.where, re.MULTILINE)
    assert named == ["model_a.base_model", "dataset.paths", "dataset.source.license", "dataset.source.provenance"]
    open_lines = [
        line for line in TEMPLATE.read_text(encoding="utf-8").splitlines() if PLACEHOLDER in line.split("#")[0]
    ]
    assert len(open_lines) == len(named)


@pytest.mark.parametrize("name", ["demo", "template", "borea-phi35"])
def test_model_b_is_model_a_retrained(configs: Path, name: str) -> None:
    """Each loads, and whoever edits model_a.base_model alone tests that model against itself, retrained."""
    config = load_config(configs / f"{name}.yaml", environ={})
    assert config.base_of_b.base_model == config.model_a.base_model
    if name != "borea-phi35":  # the original project's file, key by key
        other = load_config(configs / f"{name}.yaml", ["model_a.base_model=elsewhere"], environ={})
        assert other.base_of_b.base_model == "elsewhere"


def test_the_template_brings_nothing_along(configs: Path) -> None:
    """Of the file that people copy, training and test are the defaults, and its folders are no other file's."""
    mine, demo = (load_config(configs / f"{name}.yaml", environ={}) for name in ("template", "demo"))
    plain = Config.model_validate({"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}})
    for section in ("training", "ab_test", "gguf", "visualization", "store"):
        assert getattr(mine, section) == getattr(plain, section)
    assert not {mine.output_base_dir, mine.checkpoint_dir} & {demo.output_base_dir, demo.checkpoint_dir}
    assert mine.ollama.model_a_name != demo.ollama.model_a_name


@pytest.mark.parametrize("name", ["template", "borea-phi35"])
def test_models_and_data_lie_below_the_folder_that_containers_mount(configs: Path, name: str) -> None:
    """Containers see inputs/ and configs/ alone, when .env has the lines of docs/containers.md."""
    config = load_config(configs / f"{name}.yaml", environ={})
    places = [config.model_a.base_model, config.base_of_b.base_model, *config.dataset.paths]
    assert {Path(str(place)).parts[0] for place in places} == {"inputs"}


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_the_documents_copy_no_configuration(path: Path) -> None:
    """A configuration of one's own comes from `so8t-ab init`."""
    assert re.findall(r"\bcp configs/(\S+)", path.read_text(encoding="utf-8")) == []
