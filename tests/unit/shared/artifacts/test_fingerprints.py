"""Fingerprints: what reruns which stage, and what reruns nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.unit.shared.material import make_config, make_model
from tests.unit.shared.processes import exit_code, start

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import changed_parts, fingerprint, input_digest, stage_key
from so8t_shared.artifacts.manifests import FileEntry, Manifest
from so8t_shared.config.model import Config
from so8t_shared.config.table import config_keys
from so8t_shared.errors import InputError
from so8t_shared.stages import BY_NAME, STAGES, DataInput, ModelInput

TRAIN, EVALUATE, REPORT = {"train"}, {"evaluate"}, {"report"}
NOTHING: set[str] = set()

RERUNS: dict[str, tuple[Any, set[str]]] = {
    # key: (another value, the stages that it reruns by itself). A new key fails here until it is decided.
    "session_id_format": ("%Y", NOTHING),
    "output_base_dir": ("elsewhere", NOTHING),
    "checkpoint_dir": ("elsewhere", NOTHING),
    "device": ("cpu", NOTHING),
    "model_a.base_model": ("COPY", NOTHING),  # the bytes count, not the place
    "model_a.description": ("other", REPORT),
    "model_a.so8t.rotation": ("exp", {"convert-a"}),
    "model_b.base_model": ("COPY", NOTHING),
    "model_b.description": ("other", REPORT),
    "dataset.paths": (["COPY"], NOTHING),
    "dataset.format": ("jsonl", TRAIN),
    "dataset.source.license": ("mit", TRAIN),
    "dataset.source.provenance": ("other", TRAIN),
    "dataset.test_fraction": (0.3, TRAIN),
    "dataset.split_seed": (18, TRAIN),
    "dataset.near_duplicate_threshold": (0.9, TRAIN),
    "dataset.policy.allowed_licenses": (["mit"], TRAIN),
    "dataset.policy.exclude_personal_data": (False, TRAIN),
    "dataset.policy.exclude_secrets": (False, TRAIN),
    "training.config": (None, NOTHING),  # its keys count, not its name
    "training.use_qlora": (True, TRAIN),
    "training.use_full_finetuning": (True, TRAIN),
    "training.max_steps": (3, TRAIN),
    "training.epochs": (2.0, TRAIN),
    "training.batch_size": (3, TRAIN),
    "training.gradient_accumulation_steps": (3, TRAIN),
    "training.learning_rate": (1e-3, TRAIN),
    "training.gate_learning_rate": (1e-3, TRAIN),
    "training.lr_scheduler": ("cosine", TRAIN),
    "training.warmup_ratio": (0.2, TRAIN),
    "training.weight_decay": (0.1, TRAIN),
    "training.max_grad_norm": (2.0, TRAIN),
    "training.max_length": (99, TRAIN),
    "training.gradient_checkpointing": (True, TRAIN),
    "training.dtype": ("float32", TRAIN),
    "training.seed": (1, TRAIN),
    "training.checkpoint_every_steps": (7, NOTHING),  # how often work is saved does not change the work
    "training.lora.r": (4, TRAIN),
    "training.lora.alpha": (4, TRAIN),
    "training.lora.dropout": (0.1, TRAIN),
    "training.lora.target_modules": (["q_proj"], TRAIN),
    "training.so8t.enabled": (False, TRAIN),
    "training.so8t.rotation": ("cayley", TRAIN),
    "training.pet.lambdas": ((0.0, 0.0, 0.0), TRAIN),
    "training.pet.boundaries": ((0.3, 0.6), TRAIN),
    "gguf.convert_script": ("x.py", NOTHING),  # does nothing any more
    "gguf.quantizations": (["q8_0"], {"convert-a", "convert-b", "import", "evaluate"}),
    "gguf.primary": ("f16", {"import", "evaluate"}),
    "store.endpoint": ("http://elsewhere:9000", NOTHING),  # where things lie changes none of them
    "store.bucket": ("other", NOTHING),
    "store.region": ("other", NOTHING),
    "store.credentials_file": ("other.json", NOTHING),
    "store.retry_s": (1.0, NOTHING),
    "ollama.host": ("http://elsewhere:11434", NOTHING),  # the same models answer the same on any server
    "ollama.host_name": ("gpu-box", NOTHING),
    "ollama.retry_s": (1.0, NOTHING),
    "ollama.model_a_name": ("other", {"import", "report"}),
    "ollama.model_b_name": ("other", {"import", "report"}),
    "ollama.modelfile_dir": ("other", NOTHING),  # where copies for people lie
    "ab_test.test_data": ("COPY", NOTHING),
    "ab_test.max_samples": (8, EVALUATE),
    "ab_test.engine": ("ollama", {"import", "evaluate"}),
    "ab_test.scoring": (["generate"], EVALUATE),
    "ab_test.max_new_tokens": (9, EVALUATE),
    "ab_test.num_ctx": (999, {"import", "evaluate"}),
    "ab_test.threads": (1, NOTHING),  # belongs to the host, not to the question
    "ab_test.seed": (1, EVALUATE),
    "ab_test.bootstrap_resamples": (999, EVALUATE),
    "ab_test.confidence": (0.9, EVALUATE),
    "ab_test.control": (False, EVALUATE),
    "ab_test.gate.require": ("not_worse", EVALUATE),
    "ab_test.gate.quantizations": ("primary", EVALUATE),
    "ab_test.gate.accuracy_margin": (0.1, EVALUATE),
    "ab_test.gate.recall_margin": (0.1, EVALUATE),
    "visualization.output_dir": ("charts", REPORT),
    "visualization.plot_format": ("svg", REPORT),
    "visualization.dpi": (99, REPORT),
}


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
        "training": {"config": "some.yaml"},
        "ab_test": {"test_data": str(tmp_path / "test.jsonl")},
    }


@pytest.fixture
def digests(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "digests.sqlite")


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
    node[key] = value
    return changed


def test_every_key_is_decided() -> None:
    """The table above has exactly the keys of the configuration: a new one cannot be forgotten."""
    assert set(RERUNS) == {key for key, _ in config_keys()}


@pytest.mark.parametrize("key", list(RERUNS))
def test_what_a_key_reruns(raw: dict[str, Any], digests: DigestCache, tmp_path: Path, key: str) -> None:
    """Another value of a key changes the fingerprint of exactly the stages in the table."""
    value, expected = RERUNS[key]
    before = _fingerprints(Config.model_validate(raw), digests)
    after = _fingerprints(Config.model_validate(_with(raw, key, value, tmp_path)), digests)
    assert {name for name in before if before[name] != after[name]} == expected


def test_the_engine_is_part_of_the_key(raw: dict[str, Any], digests: DigestCache) -> None:
    """Answers of another engine are other answers (there is one engine yet, so its declaration is checked)."""
    readers = {stage.name for stage in STAGES if "ab_test.engine" in stage.reads}
    assert readers == RERUNS["ab_test.engine"][1]


def test_order_of_keys_and_defaults_written_out(raw: dict[str, Any], digests: DigestCache) -> None:
    """The same configuration in another order, or with its defaults spelled out, is the same."""
    plain = Config.model_validate(raw)
    full = plain.model_dump(mode="json")
    turned = {key: dict(reversed(v.items())) if isinstance(v, dict) else v for key, v in reversed(full.items())}
    expected = _fingerprints(plain, digests)
    assert _fingerprints(Config.model_validate(turned), digests) == expected
    assert (
        _fingerprints(Config.model_validate({**raw, "gguf": {"quantizations": ["F16", "Q8_0", "Q4_K_M"]}}), digests)
        == expected
    )


def test_the_version_of_a_stage_is_part_of_its_key(raw: dict[str, Any], digests: DigestCache) -> None:
    """A stage whose output changes for the same input raises its version, and is computed anew."""
    import dataclasses

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


# Inputs outside the store


def _model_digest(folder: Path, digests: DigestCache) -> str:
    return input_digest(ModelInput("model_a", folder), digests)


@pytest.mark.parametrize("change", ["touch", "move", "copy", "README.md", ".gitattributes", "code.py", "picture.png"])
def test_what_does_not_change_a_model(tmp_path: Path, digests: DigestCache, change: str) -> None:
    """Touching, moving, copying, or what is no part of a model (its code is never run) leave the digest alone."""
    folder = make_model(tmp_path / "m")
    before = _model_digest(folder, digests)
    if change == "touch":
        os.utime(folder / "model.safetensors", ns=(5, 5))
    elif change == "move":
        folder = folder.rename(tmp_path / "elsewhere")
    elif change == "copy":
        shutil.copytree(folder, tmp_path / "copy")
        folder = tmp_path / "copy"
    else:
        (folder / change).write_text("x")
    assert _model_digest(folder, digests) == before


@pytest.mark.parametrize("change", ["byte", "same size and time", "rename", "new tensor file", "gone", "deep"])
def test_what_changes_a_model(tmp_path: Path, digests: DigestCache, change: str) -> None:
    """Any byte, name or number of the files that make a model."""
    folder = make_model(tmp_path / "m")
    before = _model_digest(folder, digests)
    weights = folder / "model.safetensors"
    if change == "byte":
        weights.write_bytes(weights.read_bytes() + b"!")
    elif change == "same size and time":
        stat = weights.stat()
        weights.write_bytes(weights.read_bytes()[::-1])
        os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "rename":
        weights.rename(folder / "other.safetensors")
    elif change == "gone":
        weights.unlink()
    else:
        place = folder / ("deep/er" if change == "deep" else ".")
        place.mkdir(parents=True, exist_ok=True)
        (place / "more.safetensors").write_bytes(b"x")
    assert _model_digest(folder, digests) != before


def test_a_model_of_links(tmp_path: Path, digests: DigestCache) -> None:
    """A Hub cache, whose files are links into a blob folder, is the model that it shows."""
    folder = make_model(tmp_path / "m")
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for file in folder.iterdir():
        (linked / file.name).symlink_to(file)
    assert _model_digest(linked, digests) == _model_digest(folder, digests)


def _bad_model(tmp_path: Path, kind: str) -> Path:
    folder = make_model(tmp_path / "m")
    if kind == "missing":
        return tmp_path / "nowhere"
    if kind == "file":
        return folder / "config.json"
    if kind == "no config.json":
        (folder / "config.json").unlink()
    if kind == "LFS":
        (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    return folder


@pytest.mark.parametrize(
    ("kind", "words", "remedy"),
    [
        ("missing", "does not exist", "correct the path"),
        ("file", "does not exist", "correct the path"),
        ("no config.json", "no config.json", "config.json"),
        ("LFS", "Git LFS pointer", "git lfs pull"),
    ],
)
def test_unusable_models(tmp_path: Path, digests: DigestCache, kind: str, words: str, remedy: str) -> None:
    """What is no model is an InputError with the key or the file, and what to do."""
    folder = _bad_model(tmp_path, kind)
    with pytest.raises(InputError) as caught:
        _model_digest(folder, digests)
    assert words in caught.value.what
    assert str(folder) in caught.value.where
    assert remedy in caught.value.remedy


def _data_digest(path: Path | str, digests: DigestCache) -> str:
    return input_digest(DataInput("dataset.paths[0]", str(path)), digests)


def test_data_files(tmp_path: Path, digests: DigestCache) -> None:
    """A data file's bytes and format count, not its name and place; the card beside it counts too."""
    file = tmp_path / "rows.jsonl"
    file.write_text("{}\n")
    before = _data_digest(file, digests)
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / "other.jsonl")
    assert _data_digest(moved, digests) == before
    assert _data_digest(moved.rename(moved.with_suffix(".json")), digests) != before
    moved.with_suffix(".json").rename(moved)
    (moved.parent / "dataset_card.yaml").write_text("license: mit\n")
    assert _data_digest(moved, digests) != before


def test_data_folders(tmp_path: Path, digests: DigestCache) -> None:
    """All data files of a folder count, by their names within it; other files do not."""
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.jsonl").write_text("{}\n")
    (folder / "deep" / "b.CSV").write_text("text,label\n")
    before = _data_digest(folder, digests)
    (folder / "notes.txt").write_text("x")
    (folder / "folder.json").mkdir()
    assert _data_digest(folder, digests) == before
    assert _data_digest(folder.rename(tmp_path / "moved"), digests) == before
    (tmp_path / "moved" / "deep" / "b.CSV").write_text("text,label\nx,DENY\n")
    assert _data_digest(tmp_path / "moved", digests) != before


def test_a_data_file_whose_name_is_not_text(tmp_path: Path, digests: DigestCache) -> None:
    """A name that is no UTF-8 does not stop the program."""
    (tmp_path / "data").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/data/r\xe9.jsonl")).write_text("{}\n")
    assert len(_data_digest(tmp_path / "data", digests)) == 64


def test_hub_names(tmp_path: Path, digests: DigestCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name such as owner/data stands for itself; a local folder of that name wins."""
    monkeypatch.chdir(tmp_path)
    hub = _data_digest("owner/data", digests)
    assert hub != _data_digest("owner/other", digests)
    Path("owner/data").mkdir(parents=True)
    Path("owner/data/x.jsonl").write_text("{}\n")
    assert _data_digest("owner/data", digests) != hub


@pytest.mark.parametrize("path", ["no-such-file.jsonl", "./owner/data", "/abs/olute", "~/data", "a/b/c", "single"])
def test_missing_data(digests: DigestCache, path: str) -> None:
    """What is neither here nor a Hub name is an InputError with its key."""
    with pytest.raises(InputError) as caught:
        _data_digest(path, digests)
    assert caught.value.where == f"dataset.paths[0] = {path}"


def test_a_pointer_instead_of_data(tmp_path: Path, digests: DigestCache) -> None:
    """A Git LFS pointer is told before anything runs."""
    (tmp_path / "rows.jsonl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(InputError, match="Git LFS pointer"):
        _data_digest(tmp_path / "rows.jsonl", digests)


def test_unreadable_data(tmp_path: Path, digests: DigestCache) -> None:
    """A file that this user may not read is named."""
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "rows.jsonl").chmod(0)
    tmp_path.chmod(0o755)

    def work() -> None:
        if os.getuid() == 0:
            os.setuid(65534)  # root may read everything
        with pytest.raises(InputError, match="cannot be read"):
            _data_digest(tmp_path / "rows.jsonl", digests)

    assert exit_code(start(work)) == 0


# Saying what changed


def test_changed_parts(raw: dict[str, Any], digests: DigestCache, tmp_path: Path) -> None:
    """Each difference is named by its configuration key, its input or its upstream stage, with old and new."""
    upstream = {stage.name: _manifest(stage.name) for stage in STAGES}
    old = stage_key(BY_NAME["train"], Config.model_validate(raw), upstream, digests)
    (tmp_path / "rows.jsonl").write_text("{}\n")
    changed = {**raw, "training": {"learning_rate": 0.5, "pet": {"lambdas": [0, 0, 0]}}}
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
