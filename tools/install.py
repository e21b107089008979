"""Install the third-party packages of requirements.lock in a folder; once, though several clones ask at the same time.

    python tools/install.py FOLDER [REQUIREMENTS]

A folder without the file `complete` is rebuilt.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def install(folder: Path, requirements: Path) -> bool:
    """Make a virtual environment with the packages; False if another process has made it meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = folder / "complete"
        if complete.exists():
            return False
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True, symlinks=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--require-hashes", "--no-deps"]
        subprocess.run([*pip, "--requirement", str(requirements)], check=True)
        complete.touch()
    return True


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(f"Installing the third-party packages in {target} (about 4 minutes, once per machine) ...", flush=True)
    install(target, Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "requirements.lock")
