"""From files, overrides and the environment to one configuration, or one error with every fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from so8t_shared.config.load import COMPOSE_VARIABLES, load_config, notices
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError

ORIGINAL = """\
# the original pipeline's file, with all of its sections and keys
session_id_format: "%Y%m%d_%H%M%S"
output_base_dir: "D:/webdataset"
checkpoint_dir: "D:/webdataset/checkpoints/complete_so8t_ab_test"
device: cuda

model_a:
  base_model: "models/Borea-Phi-3.5-mini-Instruct-Jp"
  description: "Borea-Phi-3.5 + SO8T（そのまま GGUF 化）"
model_b:
  base_model: models/Borea-Phi-3.5-mini-Instruct-Jp
  description: |
    Retrained with SO8T

dataset:
  paths:
    - D:/webdataset/processed/four_class/train.jsonl
    - D:/webdataset/processed/domain_knowledge
  format: jsonl

training:
  config: configs/train.yaml
  use_qlora: true
  use_full_finetuning: false

gguf:
  convert_script: external/llama.cpp-master/convert_hf_to_gguf.py
  quantizations: [F16, q8_0, Q4_K_M]

ollama:
  model_a_name: borea-phi35-so8t-base
  model_b_name: borea-phi35-so8t-retrained
  modelfile_dir: modelfiles

ab_test:
  test_data: D:/webdataset/processed/four_class
  max_samples: 200

visualization:
  output_dir: D:/webdataset/ab_test_results/visualizations
  plot_format: png
  dpi: 300
"""
MINIMAL = "model_a: {base_model: m}\ndataset: {paths: [d]}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL)
    return path


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _load(path: Path, *overrides: str, **environ: str) -> Config:
    return load_config(path, overrides, environ)


def _refused(path: Path, *overrides: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        _load(path, *overrides, **environ)
    assert caught.value.exit_code == 2
    return caught.value


# The original pipeline


def test_the_original_file_loads(tmp_path: Path) -> None:
    """All of the original sections and keys are accepted unchanged, with their meaning."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.yaml").write_text("learning_rate: 2e-4\nlora: {r: 64}\n")
    config = _load(_write(tmp_path, ORIGINAL))
    assert config.gguf.quantizations == ["f16", "q8_0", "q4_k_m"]
    assert config.base_of_b.description == "Retrained with SO8T\n"
    assert config.dataset.paths[1] == "D:/webdataset/processed/domain_knowledge"
    assert (config.training.use_qlora, config.training.lora.r, config.training.learning_rate) == (True, 64, 2e-4)
    assert (config.ab_test.max_samples, config.visualization.dpi) == (200, 300)
    assert config.visualization.output_dir == "visualizations"
    assert config.model_a.description.endswith("（そのまま GGUF 化）")


def test_the_original_file_is_complete(tmp_path: Path) -> None:
    """The file above has every key that the contract names, so that the test before it means something."""
    original = yaml.safe_load(ORIGINAL)
    assert {key: set(value) for key, value in original.items() if isinstance(value, dict)} == {
        "model_a": {"base_model", "description"},
        "model_b": {"base_model", "description"},
        "dataset": {"paths", "format"},
        "training": {"config", "use_qlora", "use_full_finetuning"},
        "gguf": {"convert_script", "quantizations"},
        "ollama": {"model_a_name", "model_b_name", "modelfile_dir"},
        "ab_test": {"test_data", "max_samples"},
        "visualization": {"output_dir", "plot_format", "dpi"},
    }
    assert {k for k, v in original.items() if not isinstance(v, dict)} == {
        "session_id_format",
        "output_base_dir",
        "checkpoint_dir",
        "device",
    }


def test_a_key_that_does_nothing_is_noticed(tmp_path: Path, file: Path) -> None:
    """convert_script is accepted with one line; without it nothing is said."""
    [notice] = notices(_load(_write(tmp_path, f"{MINIMAL}gguf: {{convert_script: x.py}}\n")), {})
    assert notice.startswith("gguf.convert_script")
    assert "\n" not in notice
    file.write_text(MINIMAL)
    assert notices(_load(file), {}) == []


def test_defaults(file: Path) -> None:
    """A minimal file is enough; the names stay those of the original."""
    config = _load(file)
    assert config.ollama.model_a_name == "borea-phi35-so8t-base"
    assert config.ollama.model_b_name == "borea-phi35-so8t-retrained"
    assert config.gguf.quantizations == ["f16", "q8_0", "q4_k_m"]
    assert config.base_of_b == config.model_a


# Faults in keys and values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle_a: {}", "modle_a: unknown key; did you mean 'model_a'?"),
        ("training: {learning_rat: 1}", "training.learning_rat: unknown key; did you mean 'learning_rate'?"),
        (
            "training: {lora: {rank: 4}}",
            "training.lora.rank: unknown key; known here: r, alpha, dropout, target_modules",
        ),
        ("training: {lora: {alpa: 4}}", "training.lora.alpa: unknown key; did you mean 'alpha'?"),
        ("dpi: 99", "dpi: unknown key; it belongs at visualization.dpi"),
        ("training: {dpi: 99}", "training.dpi: unknown key; it belongs at visualization.dpi"),
        (
            "ab_test: {gate: {recal_margin: 0.1}}",
            "ab_test.gate.recal_margin: unknown key; did you mean 'recall_margin'?",
        ),
        ("gguf: {quantisations: [f16]}", "gguf.quantisations: unknown key; did you mean 'quantizations'?"),
        ("1: x", "1: "),
    ],
)
def test_unknown_keys(tmp_path: Path, text: str, message: str) -> None:
    """A misspelled or misplaced key is refused with the key that was meant, at any depth."""
    error = _refused(_write(tmp_path, f"{MINIMAL}{text}\n"))
    assert f"- {message}" in error.where
    assert error.what == "The configuration has a fault."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {max_steps: many}", ["training.max_steps", "'many'"]),
        ("training: {max_steps: 2.5}", ["training.max_steps", "2.5"]),
        ("training: {max_steps: -1}", ["training.max_steps", "greater than or equal to 0", "-1"]),
        ("training: {learning_rate: .nan}", ["training.learning_rate", "nan"]),
        ("training: {learning_rate: .inf}", ["training.learning_rate", "inf"]),
        ("training: {use_qlora: perhaps}", ["training.use_qlora", "'perhaps'"]),
        ("training: [1]", ["training: a section is needed here", "[1]"]),
        ("training: yes", ["training: a section is needed here", "True"]),
        ("gguf: {quantizations: [q3_k_m]}", ["gguf.quantizations.0", "'f16'", "'q3_k_m'"]),
        ("gguf: {quantizations: []}", ["gguf.quantizations", "at least 1"]),
        ("gguf: {quantizations: [F16, f16]}", ["gguf.quantizations", "twice"]),
        ("gguf: {quantizations: [f16], primary: q8_0}", ["primary is q8_0", "not among quantizations"]),
        ("device: tpu", ["device", "'auto', 'cpu' or 'cuda'", "'tpu'"]),
        ("visualization: {dpi: 5}", ["visualization.dpi", "30"]),
        ("visualization: {plot_format: bmp}", ["visualization.plot_format", "'bmp'"]),
        ("visualization: {output_dir: ..}", ["visualization.output_dir", "name of a folder"]),
        ("visualization: {output_dir: /}", ["visualization.output_dir", "name of a folder"]),
        ("ollama: {model_a_name: 'Name:tag'}", ["ollama.model_a_name", "without a tag"]),
        ("dataset: {paths: []}", ["dataset.paths", "at least 1"]),
        ("dataset: {paths: [d], test_fraction: 1.0}", ["dataset.test_fraction", "less than 1"]),
        ("ab_test: {scoring: [generate, generate]}", ["ab_test.scoring", "twice"]),
        ("session_id_format: 5", ["session_id_format", "string", "5"]),
        ("model_a: {description: x}", ["model_a.base_model: this key is required", "Folder of a Hugging Face"]),
    ],
)
def test_wrong_values(tmp_path: Path, text: str, words: list[str]) -> None:
    """A wrong type or value is told with its key, what is wanted and what was found."""
    raw = {**yaml.safe_load(MINIMAL), **yaml.safe_load(text)}
    error = _refused(_write(tmp_path, yaml.safe_dump(raw)))
    assert [word for word in words if word not in error.where] == []


def test_all_faults_at_once(tmp_path: Path) -> None:
    """One message lists every fault, a line each, and says how many."""
    error = _refused(
        _write(
            tmp_path,
            "training: {max_steps: x, learning_rat: 1}\ngguf: {quantizations: [q9]}\nvisualization: {dpi: y}\n",
        )
    )
    faults = re.findall(r"^    - (.*?):", error.where, re.MULTILINE)
    assert set(faults) == {
        "model_a",
        "dataset",
        "training.max_steps",
        "training.learning_rat",
        "gguf.quantizations.0",
        "visualization.dpi",
    }
    assert error.what == "The configuration has 6 faults."
    assert "config schema" in error.remedy
    assert str(tmp_path / "config.yaml") in error.where


def test_two_methods_of_training(tmp_path: Path) -> None:
    """QLoRA and full fine-tuning exclude each other, and the message says what to write."""
    error = _refused(_write(tmp_path, f"{MINIMAL}training: {{use_qlora: true, use_full_finetuning: true}}\n"))
    assert "training: use_qlora and use_full_finetuning exclude each other; set one of them to false" in error.where
    assert "found" not in error.where


def test_long_values_are_cut(tmp_path: Path) -> None:
    """A whole file pasted as a value does not fill the screen."""
    error = _refused(_write(tmp_path, f"{MINIMAL}device: {'x' * 5000}\n"))
    assert len(error.where) < 500


@pytest.mark.parametrize("text", ["{}", "", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    """Nothing is told as the two sections that are missing."""
    error = _refused(_write(tmp_path, text))
    assert "model_a: this key is required" in error.where
    assert "dataset: this key is required" in error.where


def test_empty_sections_are_their_defaults(tmp_path: Path) -> None:
    """A section whose keys are all commented out is as if it were not there."""
    config = _load(_write(tmp_path, f"{MINIMAL}training:\n  # max_steps: 5\ngguf:\nmodel_b:\n"))
    assert config == _load(_write(tmp_path, MINIMAL))


# Faults in the file


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model_a: [unclosed\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 'x\n\n", 3),
        ("a: b: c\n", 1),
        (f"{MINIMAL}a: &x [*y]\n", 3),
        ("a: !!python/object/apply:os.system ['true']\n", 1),
        (f"{MINIMAL}model_a: {{base_model: n}}\n", 3),
        ("training:\n  lora:\n    r: 1\n    r: 2\n", 4),
    ],
    ids=["bracket", "tab", "quote", "colons", "alias", "python tag", "twice", "twice below"],
)
def test_broken_yaml_is_located(tmp_path: Path, text: str, line: int) -> None:
    """The message names file, line and column; Python objects are never made; no key may stand twice."""
    error = _refused(_write(tmp_path, text))
    assert error.what.startswith("This is not valid YAML: ")
    assert error.where.startswith(f"{tmp_path / 'config.yaml'}, line {line}, column ")


def test_merge_keys_work(tmp_path: Path) -> None:
    """YAML's own way of reusing a section is no repetition."""
    text = "model_a: &m {base_model: m, description: x}\nmodel_b: {<<: *m, description: y}\ndataset: {paths: [d]}\n"
    config = _load(_write(tmp_path, text))
    assert (config.base_of_b.base_model, config.base_of_b.description) == ("m", "y")


@pytest.mark.parametrize(("text", "kind"), [("- a\n- b\n", "list"), ("just text\n", "str"), ("5\n", "int")])
def test_no_mapping(tmp_path: Path, text: str, kind: str) -> None:
    """A list or a text instead of keys is said to be that."""
    error = _refused(_write(tmp_path, text))
    assert error.what == f"The file of the configuration holds a {kind}, not keys and values."


def test_missing_file(tmp_path: Path) -> None:
    """A path that is not there is named."""
    error = _refused(tmp_path / "no.yaml")
    assert "does not exist" in error.what
    assert error.where == str(tmp_path / "no.yaml")


@pytest.mark.parametrize("data", [b"model_a: \xe9\n", b"\xff\xfem\x00", b"a: \x00\n"], ids=["latin-1", "utf-16", "nul"])
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes) -> None:
    """A file that is not UTF-8 text is refused, not guessed at."""
    (tmp_path / "config.yaml").write_bytes(data)
    error = _refused(tmp_path / "config.yaml")
    assert str(tmp_path / "config.yaml") in error.where


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    """Some editors begin a file so."""
    (tmp_path / "config.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert _load(tmp_path / "config.yaml").model_a.base_model == "m"


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    """A folder is told as one."""
    error = _refused(tmp_path)
    assert error.what == "This is a folder, not the file of the configuration."
    assert "name a file in it" in error.remedy


# The file named by training.config


def _with_training(tmp_path: Path, main: str, other: str) -> Path:
    (tmp_path / "train.yaml").write_text(other)
    return _write(tmp_path, f"{MINIMAL}training:\n  config: train.yaml\n{main}")


@pytest.mark.parametrize("wrapped", [False, True])
def test_training_config_fills_the_section(tmp_path: Path, wrapped: bool) -> None:
    """Its keys fill the section, with or without a 'training:' around them; keys given here win, deeply."""
    other: dict[str, Any] = {"seed": 1, "batch_size": 3, "lora": {"r": 64, "alpha": 128}}
    text = yaml.safe_dump({"training": other} if wrapped else other)
    config = _load(_with_training(tmp_path, "  seed: 2\n  lora: {r: 16}\n", text))
    assert (config.training.seed, config.training.batch_size) == (2, 3)
    assert (config.training.lora.r, config.training.lora.alpha) == (16, 128)
    assert config.training.config == "train.yaml"


def test_training_config_may_come_from_elsewhere(tmp_path: Path, file: Path) -> None:
    """Named by an override, or by its whole path, it is read the same."""
    (tmp_path / "train.yaml").write_text("seed: 9\n")
    assert _load(file, f"training.config={tmp_path / 'train.yaml'}").training.seed == 9
    assert _load(file, SO8T__TRAINING__CONFIG="train.yaml").training.seed == 9


def test_faults_in_training_config(tmp_path: Path) -> None:
    """A wrong key in it is told with both files' names."""
    error = _refused(_with_training(tmp_path, "", "learning_rat: 1\n"))
    assert "training.learning_rat: unknown key; did you mean 'learning_rate'?" in error.where
    assert "train.yaml" in error.where


@pytest.mark.parametrize(("other", "words"), [("- 1\n", "holds a list"), ("a: [\n", "not valid YAML")])
def test_broken_training_config(tmp_path: Path, other: str, words: str) -> None:
    """Its own faults name its own path."""
    error = _refused(_with_training(tmp_path, "", other))
    assert words in error.what
    assert "train.yaml" in error.where


def test_missing_training_config(tmp_path: Path) -> None:
    """A file that is not there is named as the one of training.config."""
    error = _refused(_write(tmp_path, f"{MINIMAL}training: {{config: nowhere.yaml}}\n"))
    assert "training.config" in error.what
    assert "nowhere.yaml" in error.where


# Overrides and the environment


def test_precedence(tmp_path: Path) -> None:
    """--set beats the environment, which beats the file, which beats training.config, which beats defaults."""
    path = _with_training(tmp_path, "  seed: 3\n", "seed: 2\nepochs: 2\n")
    assert _load(path).training.seed == 3
    assert _load(path, SO8T__TRAINING__SEED="4").training.seed == 4
    assert _load(path, "training.seed=5", SO8T__TRAINING__SEED="4").training.seed == 5
    assert _load(path, "training.seed=5", "training.seed=6").training.seed == 6
    assert _load(path).training.epochs == 2.0
    assert _load(path).training.batch_size == 8


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.max_steps=20", 20),
        ("training.learning_rate=1e-3", 1e-3),
        ("training.lora.target_modules=[q_proj, v_proj]", ["q_proj", "v_proj"]),
        ("gguf.quantizations=[F16]", ["f16"]),
        ("ab_test.max_samples=", None),
        ("model_a.description=a=b", "a=b"),
        ("model_b={base_model: x}", {"base_model": "x", "description": ""}),
    ],
)
def test_overrides_are_yaml(file: Path, override: str, value: object) -> None:
    """Numbers, lists and sections can be given; only the first '=' divides."""
    dumped: Any = _load(file, override).model_dump()
    for part in override.split("=")[0].split("."):
        dumped = dumped[part]
    assert dumped == value


@pytest.mark.parametrize(
    "override", ["training.seed", "=5", "", "training.seed=[", "training.no_key=1", "training..seed=1"]
)
def test_wrong_overrides(file: Path, override: str) -> None:
    """An override that is none, or that names no key, is a ConfigError."""
    _refused(file, override)


def test_environment(file: Path) -> None:
    """SO8T__SECTION__KEY sets a key; other variables of the program, and strangers, are left alone."""
    config = _load(
        file,
        SO8T__VISUALIZATION__DPI="99",
        SO8T__TRAINING__LORA__R="4",
        SO8T__OUTPUT_BASE_DIR="/elsewhere",
        SO8T_SESSION="x",
        SO8T_CONFIG="y",
        HOME="/home",
    )
    assert (config.visualization.dpi, config.training.lora.r, config.output_base_dir) == (99, 4, "/elsewhere")
    error = _refused(file, SO8T__TRAINING__SEDE="1")
    assert "training.sede: unknown key; did you mean 'seed'?" in error.where


def test_the_real_environment_is_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one given, the process's own counts."""
    monkeypatch.setenv("SO8T__TRAINING__SEED", "77")
    assert load_config(file).training.seed == 77


def test_a_section_over_a_value(file: Path) -> None:
    """An override below a value that is no section replaces it, and is checked like anything else."""
    _refused(file, "device=cpu", "device.x=1")


def test_the_source_of_a_fault(file: Path) -> None:
    """A fault says by what it was given: the file, a variable, an override; several are told apart, fault by fault."""
    assert _refused(file, "training.sede=1").where.startswith("--set training.sede\n    - training.sede: unknown key")
    assert _refused(file, SO8T__DEVICE="gpu").where.startswith("SO8T__DEVICE\n")
    both = _refused(file, "training.use_qlora=true", "training.use_full_finetuning=true").where
    assert both.startswith("--set training.use_full_finetuning\n")
    assert _refused(file, "gguf.quantizations=[q9]").where.startswith("--set gguf.quantizations\n")
    file.write_text(f"{MINIMAL}visualization: {{dpi: y}}\n")
    mixed = _refused(file, "device=gpu").where.splitlines()
    assert set(mixed[0].split(", ")) == {str(file), "--set device"}
    assert [line for line in mixed if "given by --set device" in line] == [mixed[1]]
    assert "given by" not in mixed[2]


@pytest.mark.parametrize(
    ("override", "close"),
    [("gguf.quantizations=[q4_km]", "q4_k_m"), ("device=cudo", "cuda"), ("gguf.primary=F61", "f16")],
)
def test_a_mistyped_choice(file: Path, override: str, close: str) -> None:
    """The closest of the allowed words is suggested; for a word that is like none of them, none."""
    assert f"; did you mean {close!r}?" in _refused(file, override).where
    assert "did you mean" not in _refused(file, "device=zzz").where


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset.paths", "x.jsonl"),
        ("gguf.quantizations", "q8_0"),
        ("ab_test.scoring", "generate"),
        ("dataset.policy.allowed_licenses", "mit"),
        ("training.lora.target_modules", "q_proj"),
    ],
)
def test_one_value_is_a_list(file: Path, key: str, value: str) -> None:
    """Every key that holds a list of words takes a single one as it is."""
    loaded: Any = _load(file, f"{key}={value}").model_dump(mode="json")
    for part in key.split("."):
        loaded = loaded[part]
    assert loaded == [value]


def test_variables_of_compose_are_noticed(file: Path) -> None:
    """A variable that only compose.yaml reads looks like one of ours: it is said that it does nothing here."""
    config = _load(file)
    [notice] = notices(config, {"SO8T_STORE_ENDPOINT": "http://h:9000", "SO8T_CONFIG": "x", "SO8T_RESULTS": ""})
    assert notice.startswith("SO8T_STORE_ENDPOINT is read by compose.yaml alone")
    assert notice.endswith("reads SO8T__STORE__ENDPOINT")
    assert notices(config, {"SO8T_BUCKET": "x", "SO8T__STORE__BUCKET": "x"}) == []


def test_the_variables_of_compose_are_those_it_has() -> None:
    """compose.yaml makes the program's variable of its own, but for the key file, which it mounts."""
    lines = (Path(__file__).resolve().parents[4] / "compose.yaml").read_text().splitlines()
    for name, own in COMPOSE_VARIABLES.items():
        set_by = [line for line in lines if line.strip().startswith(f"{own}:")]
        assert len(set_by) == 1
        assert name in "\n".join(lines)
