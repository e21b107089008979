"""From files, overrides and the environment to one configuration, or one error with every fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.shared.config.conftest import MINIMAL, Refused, keys_of, load, write

from so8t_shared.config.load import COMPOSE_VARIABLES, load_config, notices


def test_a_key_that_does_nothing_is_noticed(tmp_path: Path, file: Path) -> None:
    """convert_script is accepted with one line; without it nothing is said."""
    [notice] = notices(load(write(tmp_path, f"{MINIMAL}gguf: {{convert_script: x.py}}\n")), {})
    assert notice.startswith("gguf.convert_script")
    assert "\n" not in notice
    file.write_text(MINIMAL)
    assert notices(load(file), {}) == []


def test_test_data_that_is_the_data_set(tmp_path: Path) -> None:
    """As in the original pipeline's file: the rows are held out, and a notice says so."""
    text = MINIMAL.replace("dataset:", "ab_test: {test_data: rows}\ndataset:")
    config = load(write(tmp_path, text))
    other = config.dataset.model_copy(update={"paths": ["rows", "more"]})
    assert config.test_data == "rows"
    same = config.model_copy(update={"dataset": other})
    assert same.test_data is None
    [notice] = notices(same, {})
    assert notice.startswith("ab_test.test_data")


def test_defaults(file: Path) -> None:
    """A minimal file is enough; the names stay those of the original."""
    config = load(file)
    assert config.ollama.model_a_name == "borea-phi35-so8t-base"
    assert config.ollama.model_b_name == "borea-phi35-so8t-retrained"
    assert config.gguf.quantizations == ["f16", "q8_0", "q4_k_m"]
    assert config.base_of_b == config.model_a


def test_empty_sections_are_their_defaults(tmp_path: Path) -> None:
    """A section whose keys are all commented out is as if it were not there."""
    config = load(write(tmp_path, f"{MINIMAL}training:\n  # max_steps: 5\ngguf:\nmodel_b:\n"))
    assert config == load(write(tmp_path, MINIMAL))


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
def test_broken_yaml_is_located(tmp_path: Path, text: str, line: int, refused: Refused) -> None:
    """The message names file, line and column; Python objects are never made; no key may stand twice."""
    error = refused(write(tmp_path, text))
    assert error.where.startswith(f"{tmp_path / 'config.yaml'}, line {line}, column ")


@pytest.mark.parametrize("path", [r"D:\train\new", r"D:\Projects", r"D:\Next", r"D:\work", r"C:\Users\me"])
def test_a_path_of_windows_in_double_quotes(tmp_path: Path, path: str, refused: Refused) -> None:
    """YAML reads \\t as a tab and knows no \\w: both say how to write the path."""
    error = refused(write(tmp_path, f'model_a: {{base_model: m}}\ndataset: {{paths: ["{path}"]}}\n'))
    assert "single quotes" in f"{error.where} {error.remedy}"
    assert load(write(tmp_path, f"model_a: {{base_model: m}}\ndataset: {{paths: ['{path}']}}\n")).dataset.paths == [
        path
    ]


def test_merge_keys_work(tmp_path: Path) -> None:
    """YAML's own way of reusing a section is no repetition."""
    text = "model_a: &m {base_model: m, description: x}\nmodel_b: {<<: *m, description: y}\ndataset: {paths: [d]}\n"
    config = load(write(tmp_path, text))
    assert (config.base_of_b.base_model, config.base_of_b.description) == ("m", "y")


@pytest.mark.parametrize(
    "data",
    [b"- a\n- b\n", b"just text\n", b"5\n", b"model_a: \xe9\n", b"\xff\xfem\x00", b"a: \x00\n", None],
    ids=["list", "text", "number", "latin-1", "utf-16", "nul", "folder"],
)
def test_what_is_no_configuration(tmp_path: Path, data: bytes | None, refused: Refused) -> None:
    """Other values, bytes that are no UTF-8 text, which are not guessed at, and a folder are said to be that."""
    path = tmp_path / "config.yaml"
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    assert str(path) in refused(path).where


def test_missing_file(tmp_path: Path, refused: Refused) -> None:
    """A path that is not there is named."""
    assert refused(tmp_path / "no.yaml").where == str(tmp_path / "no.yaml")


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    """Some editors begin a file so."""
    (tmp_path / "config.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load(tmp_path / "config.yaml").model_a.base_model == "m"


# The file named by training.config


def _with_training(tmp_path: Path, main: str, other: str) -> Path:
    (tmp_path / "train.yaml").write_text(other)
    return write(tmp_path, f"{MINIMAL}training:\n  config: train.yaml\n{main}")


@pytest.mark.parametrize("wrapped", [False, True])
def test_training_config_fills_the_section(tmp_path: Path, wrapped: bool) -> None:
    """Its keys fill the section, with or without a 'training:' around them; keys given here win, deeply."""
    other: dict[str, Any] = {"seed": 1, "batch_size": 3, "lora": {"r": 64, "alpha": 128}}
    text = yaml.safe_dump({"training": other} if wrapped else other)
    config = load(_with_training(tmp_path, "  seed: 2\n  lora: {r: 16}\n", text))
    assert (config.training.seed, config.training.batch_size) == (2, 3)
    assert (config.training.lora.r, config.training.lora.alpha) == (16, 128)
    assert config.training.config == "train.yaml"


def test_training_config_may_come_from_elsewhere(tmp_path: Path, file: Path) -> None:
    """Named by an override, or by its whole path, it is read the same."""
    (tmp_path / "train.yaml").write_text("seed: 9\n")
    assert load(file, f"training.config={tmp_path / 'train.yaml'}").training.seed == 9
    assert load(file, SO8T__TRAINING__CONFIG="train.yaml").training.seed == 9


@pytest.mark.parametrize("other", ["learning_rat: 1\n", "- 1\n", "a: [\n", None])
def test_faults_in_training_config(tmp_path: Path, other: str | None, refused: Refused) -> None:
    """Its own faults name its own path, a wrong key in it the key as well; one that is missing, who named it."""
    path = _with_training(tmp_path, "", other or "")
    if other is None:
        (tmp_path / "train.yaml").unlink()
    assert "train.yaml" in refused(path).where


# Overrides and the environment


def test_precedence(tmp_path: Path) -> None:
    """--set beats the environment, which beats the file, which beats training.config, which beats defaults."""
    path = _with_training(tmp_path, "  seed: 3\n", "seed: 2\nepochs: 2\n")
    assert load(path).training.seed == 3
    assert load(path, SO8T__TRAINING__SEED="4").training.seed == 4
    assert load(path, "training.seed=5", SO8T__TRAINING__SEED="4").training.seed == 5
    assert load(path, "training.seed=5", "training.seed=6").training.seed == 6
    assert load(path).training.epochs == 2.0
    assert load(path).training.batch_size == 8


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.max_steps=20", 20),
        ("training.learning_rate=1e-3", 1e-3),
        ("training.lora.target_modules=[q_proj, v_proj]", ["q_proj", "v_proj"]),
        ("training.lora.target_modules=q_proj", ["q_proj"]),
        ("gguf.quantizations=[F16]", ["f16"]),
        ("gguf.quantizations=q8_0", ["q8_0"]),
        ("dataset.paths=x.jsonl", ["x.jsonl"]),
        ("dataset.policy.allowed_licenses=mit", ["mit"]),
        ("ab_test.scoring=generate", ["generate"]),
        ("ab_test.max_samples=", None),
        ("model_a.description=a=b", "a=b"),
        ("model_b={base_model: x}", {"base_model": "x", "gguf": None, "ollama": None, "description": ""}),
    ],
)
def test_overrides_are_yaml(file: Path, override: str, value: object) -> None:
    """Numbers, lists and sections can be given; one word is a list of one; only the first '=' divides."""
    dumped: Any = load(file, override).model_dump(mode="json")
    for part in override.split("=")[0].split("."):
        dumped = dumped[part]
    assert dumped == value


@pytest.mark.parametrize(
    "override", ["training.seed", "=5", "", "training.seed=[", "training.no_key=1", "training..seed=1"]
)
def test_wrong_overrides(file: Path, override: str, refused: Refused) -> None:
    """An override that is none, or that names no key, is a ConfigError."""
    refused(file, override)


def test_environment(file: Path, refused: Refused) -> None:
    """SO8T__SECTION__KEY sets a key; other variables of the program, and strangers, are left alone."""
    config = load(
        file,
        SO8T__VISUALIZATION__DPI="99",
        SO8T__TRAINING__LORA__R="4",
        SO8T__OUTPUT_BASE_DIR="/elsewhere",
        SO8T_SESSION="x",
        SO8T_CONFIG="y",
        HOME="/home",
    )
    assert (config.visualization.dpi, config.training.lora.r, config.output_base_dir) == (99, 4, "/elsewhere")
    error = refused(file, SO8T__TRAINING__SEDE="1")
    assert keys_of(error) == ["training.sede"]


def test_the_real_environment_is_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one given, the process's own counts."""
    monkeypatch.setenv("SO8T__TRAINING__SEED", "77")
    assert load_config(file).training.seed == 77


def test_a_section_over_a_value(file: Path, refused: Refused) -> None:
    """An override below a value that is no section replaces it, and is checked like anything else."""
    refused(file, "device=cpu", "device.x=1")


def test_variables_of_compose_are_noticed(file: Path) -> None:
    """A variable that only compose.yaml reads looks like one of ours: it is said that it does nothing here."""
    config = load(file)
    [notice] = notices(config, {"SO8T_STORE_ENDPOINT": "http://h:9000", "SO8T_CONFIG": "x", "SO8T_RESULTS": ""})
    assert notice.startswith("SO8T_STORE_ENDPOINT is ignored here: only compose.yaml reads it")
    assert notice.endswith("reads SO8T__STORE__ENDPOINT")
    assert notices(config, {"SO8T_BUCKET": "x", "SO8T__STORE__BUCKET": "x"}) == []


def test_the_variables_of_compose_are_those_it_has() -> None:
    """compose.yaml makes the program's variable of its own, but for the key file, which it mounts."""
    lines = (Path(__file__).resolve().parents[4] / "compose.yaml").read_text().splitlines()
    for name, own in COMPOSE_VARIABLES.items():
        set_by = [line for line in lines if line.strip().startswith(f"{own}:")]
        assert len(set_by) == 1
        assert name in "\n".join(lines)
