"""A checkout has the same bytes on every host."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KINDS = ("*.sh", "*.gotmpl", "*.j2", "*.jinja", "*.css", "*.yaml", "*.json", "*.png", "Dockerfile")


def _git(folder: Path, *arguments: str) -> None:
    """Git as on a Windows host, without any setting of this one."""
    settings = ("core.autocrlf=true", "user.name=t", "user.email=t@example.org")
    options = [part for setting in settings for part in ("-c", setting)]
    nowhere = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    subprocess.run(["git", *options, *arguments], cwd=folder, env=nowhere, check=True, capture_output=True)


def _files(kind: str) -> list[Path]:
    folders = [ROOT / name for name in ("configs", "demo", "deploy", "docs", "services", "shared")]
    return [p for folder in folders for p in folder.rglob(kind) if "secrets" not in p.parts]


def test_line_ends_are_those_of_the_repository(tmp_path: Path) -> None:
    """Where git turns line ends into those of Windows, scripts, templates, data and pictures stay as they are."""
    files = [p for kind in KINDS for p in _files(kind)]
    files += [ROOT / name for name in ("run.sh", "run.ps1", "run.bat")]
    assert (ROOT / "run.bat").read_bytes().count(b"\r\n") == (ROOT / "run.bat").read_bytes().count(b"\n")
    bytes_ = {p.relative_to(ROOT): p.read_bytes() for p in files} | {Path("rows.jsonl"): b'{"text": "a"}\n' * 3}
    origin = tmp_path / "origin"
    for name, data in bytes_.items():
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_bytes(data)
    shutil.copy(ROOT / ".gitattributes", origin)
    _git(origin, "init", "--quiet")
    _git(origin, "add", "--all", "--force")
    _git(origin, "commit", "--quiet", "--message", "all")
    _git(tmp_path, "clone", "--quiet", "--no-local", str(origin), "clone")
    assert len(bytes_) > 20
    assert {name: (tmp_path / "clone" / name).read_bytes() for name in bytes_} == bytes_


def test_no_file_is_a_link() -> None:
    """Git on Windows checks a link out as a text file that names its target."""
    assert [path for path in _files("*") if path.is_symlink()] == []
