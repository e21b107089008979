"""Compile the kernels to a shared library at TARGET; it is kept in a cache under the digest of what it was made from.

    python services/converter/kernels/build.py TARGET

Needs a C compiler (CC, or cc, gcc or clang) with vector extensions, and nothing of Python's. Without one it says so and
makes nothing: the converter then uses libgguf's kernels, which are slower and write the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = (
    *("-O3", "-std=gnu11", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-Wno-psabi"),
    "-ffp-contract=off",  # a fused multiplication and addition rounds once, which changes the bytes
)
TARGETS = {
    "plain": (),
    "avx2": ("-mavx2", "-mf16c"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"),
}


class NoCompiler(Exception):
    """No compiler was found, or it does not compile the kernels."""


def build(target: Path) -> bool:
    """Place the library at `target`, or remove what is there; return whether this machine can compile it."""
    target.unlink(missing_ok=True)
    try:
        compiler = _compiler()
        kept = _cache() / _digest(compiler) / "libkernels.so"
        with tempfile.TemporaryDirectory() as folder:
            source = kept if kept.is_file() else _compile(compiler, Path(folder))
            if source != kept:
                with suppress(OSError):  # a cache that cannot be written costs the next build its time
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    _place(source, kept)
            _place(source, target)
    except NoCompiler as error:
        print(f"Conversion will be slower: the kernels were not compiled ({error}).", file=sys.stderr)
        return False
    return True


def _compiler() -> list[str]:
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    raise NoCompiler(f"no C compiler: {named[0] if named else 'cc, gcc or clang'}")


def _compile(compiler: list[str], folder: Path) -> Path:
    is_x86 = "__x86_64__" in _run([*compiler, "-dM", "-E", "-x", "c", os.devnull])
    objects = [folder / "kernels.o"]
    _run([*compiler, *FLAGS, "-c", str(HERE / "kernels.c"), "-o", str(objects[0])])
    for name, flags in TARGETS.items():
        if is_x86 or not flags:
            objects.append(folder / f"{name}.o")
            named = f"-DNAME=rows_{name}"
            _run([*compiler, *FLAGS, *flags, named, "-c", str(HERE / "rows.c"), "-o", str(objects[-1])])
    library = folder / "libkernels.so"
    _run([*compiler, "-shared", *map(str, objects), "-o", str(library)])
    return library


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        raise NoCompiler(lines[0] if lines else f"{command[0]} failed with exit code {done.returncode}")
    return done.stdout


def _digest(compiler: list[str]) -> str:
    """Return the digest of the sources, the flags in this file and the compiler's version."""
    made_from = [path.read_bytes() for path in sorted(HERE.glob("*.[chp]*"))]
    made_from.append(_run([*compiler, "--version"]).encode())
    return hashlib.sha256(b"\0".join(made_from)).hexdigest()[:16]


def _cache() -> Path:
    return Path(os.environ.get("SO8T_AB_CACHE") or Path.home() / ".cache" / "so8t-ab") / "kernels"


def _place(source: Path, target: Path) -> None:
    """Copy by a rename, so that a process that has the old library mapped keeps it whole."""
    part = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(source, part)
    part.replace(target)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
