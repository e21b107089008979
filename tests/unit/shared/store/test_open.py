"""Opening the store that a configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from so8t_shared.config.model import Config
from so8t_shared.errors import StorageError
from so8t_shared.store.open import open_store


def _config(folder: Path) -> Config:
    return Config.model_validate(
        {"checkpoint_dir": str(folder), "model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}}
    )


def test_opens_checkpoint_dir(tmp_path: Path) -> None:
    """The store is the folder checkpoint_dir, made with its parents where it is missing."""
    store = open_store(_config(tmp_path / "new" / "store"))
    store.put_bytes("k", b"x")
    assert (tmp_path / "new" / "store" / "k").read_bytes() == b"x"


def test_unusable_folder_is_named(tmp_path: Path) -> None:
    """A file where a folder is needed is a StorageError with the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        open_store(_config(tmp_path / "file" / "store"))
    assert str(tmp_path / "file") in caught.value.where
