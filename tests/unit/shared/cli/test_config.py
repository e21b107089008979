"""`so8t-ab config`."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli

from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config
from so8t_shared.config.table import config_table


def test_check_a_good_one(cli: Cli, config_file: Path) -> None:
    """A right configuration is said to be right; nothing is made on the disk."""
    done = cli("config", "check", "-c", config_file)
    assert (done.code, done.out, done.err) == (0, f"{config_file} is a valid configuration.\n", "")
    assert not (config_file.parent / "store").exists()


def test_check_a_bad_one(cli: Cli, config_file: Path, said: Said) -> None:
    """All faults, exit code 2."""
    done = cli("config", "check", "-c", config_file, "--set", "training.sede=1", "--set", "visualization.dpi=x")
    assert done.code == 2
    said(done.err)


def test_check_looks_at_the_inputs(cli: Cli, config_file: Path, said: Said) -> None:
    """What is wrong here is a fault; what is on another host, and model B from another base, are notes."""
    done = cli("config", "check", "-c", config_file, "--set", "dataset.policy.allowed_licenses=[mit]")
    assert done.code == 2
    said(done.err)
    elsewhere = ["--set", "model_b.base_model=/no/such", "--set", "dataset.paths=[/no/rows.jsonl]"]
    done = cli("config", "check", "-c", config_file, *elsewhere)
    assert (done.code, done.out) == (0, f"{config_file} is a valid configuration.\n")
    said(done.err)


def test_check_says_what_is_out_of_date(cli: Cli, config_file: Path, said: Said) -> None:
    """A key that does nothing is a note, not a fault."""
    config_file.write_text(config_file.read_text() + "gguf: {convert_script: x.py}\n")
    done = cli("config", "check", "-c", config_file)
    assert done.code == 0
    said(done.err)


ORIGINAL = "qlora: {r: 4, lora_alpha: 8}\ntraining: {num_train_epochs: 2, logging_steps: 5}\n"


def _names_an_original(config_file: Path) -> Path:
    config_file.with_name("train.yaml").write_text(ORIGINAL)
    raw = yaml.safe_load(config_file.read_text())
    raw["training"] = {"config": "train.yaml", "max_steps": 3}
    config_file.write_text(yaml.safe_dump(raw))
    return config_file


def test_check_an_original_training_file(cli: Cli, config_file: Path, said: Said) -> None:
    """A row for each of its keys; other commands say in a line that it has this form."""
    done = cli("config", "check", "-c", _names_an_original(config_file))
    assert done.code == 0
    said(done.out)
    [left_out] = [line for line in done.err.splitlines() if "so ours: " in line]
    said(left_out)
    said(cli("plan", "-c", config_file).err)


def test_import(cli: Cli, config_file: Path, said: Said) -> None:
    """The new file loads to the same; an old one is not overwritten unless that is asked."""
    old, new = _names_an_original(config_file), config_file.with_name("new.yaml")
    done = cli("config", "import", old, "-o", new)
    assert (done.code, done.err.count("note: "), "training.adam_beta2 0.95 (transformers: 0.999)" in done.err) == (
        0,
        1,
        True,
    )
    said(done.out)
    said(new.read_text())
    assert load_config(new).training.lora == load_config(old).training.lora
    again = cli("config", "import", old, "-o", new)
    assert again.code == 2
    said(again.err)
    assert cli("config", "import", old, "-o", new, "--force").code == 0
    assert cli("config", "import", old, "-o", new / "below.yaml").code == 2
    old.write_text("model_a: {}\n")
    assert cli("config", "import", old, "-o", old.with_name("no.yaml")).code == 2
    assert not old.with_name("no.yaml").exists()


def test_show(cli: Cli, config_file: Path) -> None:
    """The resolved configuration is YAML that loads to the same."""
    done = cli("config", "show", "-c", config_file, "--set", "model_a.description=日本語")
    assert done.code == 0
    assert "日本語" in done.out
    shown = config_file.with_name("shown.yaml")
    shown.write_text(done.out, encoding="utf-8")
    assert load_config(shown) == load_config(config_file, ["model_a.description=日本語"])
    assert yaml.safe_load(done.out)["training"]["lora"] == {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": None}


def test_schema(cli: Cli) -> None:
    """The JSON Schema of the configuration, or its table."""
    done = cli("config", "schema")
    assert json.loads(done.out) == Config.model_json_schema()
    assert cli("config", "schema", "--format", "table").out == config_table()
    assert cli("config", "schema", "--format", "xml").code == 2
