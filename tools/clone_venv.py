"""Create a virtual environment with the packages of another one, using hard links where possible.

    python tools/clone_venv.py SOURCE TARGET

The copy is complete: it keeps working when SOURCE is deleted, and installing into it changes nothing in SOURCE, because
pip replaces files instead of writing into them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sysconfig
import venv
from pathlib import Path


def clone(source: Path, target: Path) -> None:
    """Replace `target` with an environment with the packages and commands of `source`."""
    shutil.rmtree(target, ignore_errors=True)
    venv.create(target, symlinks=os.name != "nt")
    for name in ("purelib", "platlib", "include"):
        there, here = _folder(source, name), _folder(target, name)
        if there.is_dir():
            shutil.copytree(there, here, copy_function=_link, dirs_exist_ok=True)
    ours = {path.name for path in _folder(target, "scripts").iterdir()}
    for script in _folder(source, "scripts").iterdir():
        if script.name not in ours:
            _copy_script(script, _folder(target, "scripts") / script.name, source, target)


def _folder(environment: Path, name: str) -> Path:
    root = str(environment.resolve())
    return Path(sysconfig.get_path(name, "venv", {"base": root, "platbase": root, "installed_base": root}))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return  # purelib and platlib are usually the same folder
    except OSError:
        shutil.copy2(source, target)


def _copy_script(script: Path, target: Path, source: Path, clone: Path) -> None:
    """Copy a command; its first line names its environment's interpreter."""
    content = script.read_bytes()
    first, end, rest = content.partition(b"\n")
    if first.startswith(b"#!"):
        first = first.replace(os.fsencode(source.resolve()), os.fsencode(clone.resolve()))
    target.write_bytes(first + end + rest)
    shutil.copymode(script, target)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Create a virtual environment with the packages of another one.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    clone(arguments.source, arguments.target)


if __name__ == "__main__":
    main()
