"""Digests of models and data outside the store: which bytes and names count."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_model
from tests.unit.shared.processes import race

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import input_digest
from so8t_shared.errors import InputError
from so8t_shared.stage_inputs import DataInput, ModelInput

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


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


@pytest.mark.parametrize(
    "change",
    [
        "missing",
        "file",
        "no config.json",
        "LFS",
    ],
)
def test_unusable_models(tmp_path: Path, digests: DigestCache, change: str, said: Said) -> None:
    """What is no model is an InputError with the key or the file, and what to do."""
    folder = make_model(tmp_path / "m")
    place = {"missing": tmp_path / "nowhere", "file": folder / "config.json"}.get(change, folder)
    if change == "no config.json":
        (folder / "config.json").unlink()
    if change == "LFS":
        (folder / "model.safetensors").write_text(POINTER)
    with said.raised(InputError) as caught:
        _model_digest(place, digests)
    assert str(place) in caught.value.where


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


def test_a_path_on_a_drive_is_no_hub_name(digests: DigestCache, said: Said) -> None:
    """D:/rows looks like OWNER/NAME; the error says what stands for a drive."""
    with said.raised(InputError):
        _data_digest(Path("D:/rows"), digests)


def test_the_terms_that_a_card_names(tmp_path: Path, digests: DigestCache) -> None:
    """Their bytes count: the report names what was agreed to."""
    file, terms = tmp_path / "rows.jsonl", tmp_path / "TERMS.txt"
    file.write_text("{}\n")
    (tmp_path / "dataset_card.yaml").write_text("license: other\nprovenance: x\nlicense_file: TERMS.txt\n")
    found = {_data_digest(file, digests)}
    for text in ("ask", "ask twice"):
        terms.write_text(text)
        found.add(_data_digest(file, digests))
    assert len(found) == 3


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


def test_a_pointer_instead_of_data(tmp_path: Path, digests: DigestCache, said: Said) -> None:
    """A Git LFS pointer is refused before anything runs."""
    (tmp_path / "rows.jsonl").write_text(POINTER)
    with said.raised(InputError):
        _data_digest(tmp_path / "rows.jsonl", digests)


def test_unreadable_data(tmp_path: Path, digests: DigestCache, said: Said) -> None:
    """A file that this user may not read is named."""
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "rows.jsonl").chmod(0)
    tmp_path.chmod(0o755)

    def work(_: int) -> InputError:
        if os.getuid() == 0:
            os.setuid(65534)  # root may read everything
        with pytest.raises(InputError) as caught:
            _data_digest(tmp_path / "rows.jsonl", digests)
        return caught.value

    [error] = race(1, work)
    said(error)
    assert error.where == str(tmp_path / "rows.jsonl")
