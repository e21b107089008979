"""Paths of Windows on Windows and elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.config.drives import demand_here, explained, here, holds_paths, is_elsewhere, without_root
from so8t_shared.config.table import config_keys
from so8t_shared.errors import ConfigError

PATH_KEYS = """
model_a.base_model model_b.base_model model_b.gguf gguf.imatrix dataset.paths ab_test.test_data output_base_dir
ab_test.retention.rows checkpoint_dir ollama.modelfile_dir store.credentials_file dataset.source.license_file
notify.urls_file think.tls_cert think.tls_key think.tokens_file think.audit.folder think.audit.key_file
"""


@pytest.mark.parametrize("path", ["D:/rows/x", r"D:\rows\x", r"\\server\share\x", "models/m", "owner/name", "/abs"])
def test_on_windows_a_path_stays(path: str) -> None:
    """Also below a root that is set for another host."""
    assert here(path, "/mnt", windows=True) == path
    assert not is_elsewhere(path, windows=True)


@pytest.mark.parametrize("path", ["models/m", "owner/name", "/abs/x", "~/x", "s3-like", "file:x/y", "./D"])
def test_other_paths_stay(path: str, tmp_path: Path) -> None:
    """Only a drive or share is not of this host."""
    assert here(path, str(tmp_path), windows=False) == path
    assert not is_elsewhere(path, windows=False)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("D:/rows/x.jsonl", "rows/x.jsonl"),
        (r"d:\rows\x.jsonl", "rows/x.jsonl"),
        ("D:", ""),
        ("D:rows", "rows"),
        (r"\\server\share\rows\x", "rows/x"),
        ("//server/share/rows", "rows"),
    ],
)
def test_a_drive_is_the_root(path: str, below: str, tmp_path: Path) -> None:
    """Whether the file exists yet or not."""
    assert here(path, str(tmp_path), windows=False) == str(tmp_path / below)
    assert is_elsewhere(path, windows=False)
    assert here(path, None, windows=False) == path


@pytest.mark.parametrize("letter", ["D", "d"])
def test_a_folder_with_the_drives_letter_is_the_drive(letter: str, tmp_path: Path) -> None:
    """As WSL mounts drives below /mnt; a file that is only in the root itself is found there."""
    (tmp_path / letter).mkdir()
    assert here("D:/new/x", str(tmp_path), windows=False) == str(tmp_path / letter / "new/x")
    (tmp_path / "rows").mkdir()
    assert here("D:/rows", str(tmp_path), windows=False) == str(tmp_path / "rows")
    assert here("E:/rows", str(tmp_path), windows=False) == str(tmp_path / "rows")


def test_a_path_in_both_places_is_refused(tmp_path: Path, said: Said) -> None:
    """Neither is guessed."""
    for folder in ("D/rows", "rows"):
        (tmp_path / folder).mkdir(parents=True)
    with said.raised(ConfigError, where=f"{tmp_path / 'D/rows'} and {tmp_path / 'rows'}"):
        here("D:/rows", str(tmp_path), windows=False)


def test_backslashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They divide folders, unless this host has a file of that very name."""
    monkeypatch.chdir(tmp_path)
    assert here(r"models\m", None, windows=False) == "models/m"
    (tmp_path / r"models\m").touch()
    assert here(r"models\m", None, windows=False) == r"models\m"


def test_folders_to_write_to_must_be_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """A folder named D: is not made; one that exists is used as before."""
    monkeypatch.chdir(tmp_path)
    with said.raised(ConfigError, where="one = D:/x, two = E:/y"):
        demand_here(one="D:/x", two="E:/y", three="runs/z")
    (tmp_path / "D:/x").mkdir(parents=True)
    demand_here(one="D:/x")


def test_what_to_set_is_said(tmp_path: Path, said: Said) -> None:
    """WSL has the drives in a folder that is named; elsewhere the user knows."""
    (tmp_path / "d").mkdir()
    said("\n".join(explained(path, tmp_path) for path in ("D:/x", "E:/x", r"\\server\share\x")))


def test_all_hosts_name_a_path_alike(tmp_path: Path) -> None:
    """On Windows, below a root, and below a drive's folder in it."""
    names = {
        without_root(r"D:\rows\x", None),
        without_root(f"{tmp_path}/rows/x", str(tmp_path)),
        without_root(f"{tmp_path}/d/rows/x", str(tmp_path)),
    }
    assert names == {"inputs_root/rows/x"}
    assert without_root("rows/x", str(tmp_path)) == without_root(r"rows\x", None) == "rows/x"


def test_which_keys_hold_paths() -> None:
    """All keys that name a file or folder which is read or written; a new one is marked HostPath."""
    assert {key for key, info in config_keys() if holds_paths(info)} == set(PATH_KEYS.split())
