"""Provide the public images named in compose.yaml and the Dockerfile on a machine that cannot pull them.

    python .ci/stand_in_images.py

An image that exists or can be pulled is used unchanged. Otherwise a stand-in is built and tagged with the public name,
so that the shipped files are tested: Python from this host's Debian mirror (root, apt), and MinIO, mc and Ollama from
the programs built by `.ci/servers.py install all`. Stand-ins carry the label so8t-ab.stand-in.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import servers
from docker_engine import environment

ROOT = Path(__file__).resolve().parent.parent
LABEL = "so8t-ab.stand-in"
_PULL_S = 600
_CODENAME = "bookworm"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates,libgomp1,libstdc++6"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_NOT_IN_MC = "sed grep egrep fgrep awk mawk perl python3 python find xargs"
"""Missing in the real mc image, so removed from its stand-in: scripts that run there must do without."""


def public_images() -> list[str]:
    """Return the names and tags of all images in the shipped files that are not built here."""
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    found = set(re.findall(r"^\s*image: (?:\$\{\w+:-)?([^\s}]+)", compose, re.MULTILINE))
    found |= set(re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE))
    return sorted((name for name in found if not name.startswith("so8t-ab/")), key=lambda n: not n.startswith("python"))


def main() -> int:
    """Pull or build missing images."""
    pullable = True
    for image in public_images():
        if _docker("image", "inspect", image, quiet=True):
            print(f"{image}: already here")
        elif pullable and _docker("pull", "--quiet", image, quiet=True, limit_s=_PULL_S):
            print(f"{image}: pulled")
        else:
            pullable = False  # one failure is enough: the other registries are unreachable as well
            _make(image)
    return 0


def _make(image: str) -> None:
    name = image.split(":")[0].split("/")[-1]
    maker = {"python": _make_python, "minio": _make_minio, "mc": _make_mc, "ollama": _make_ollama}.get(name)
    if maker is None:
        sys.exit(f"{image} is not here, cannot be pulled, and has no stand-in.")
    print(f"{image}: building a stand-in ...", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        maker(image, Path(folder))
    print(f"{image}: built in {time.monotonic() - began:.0f} s", flush=True)


def _make_python(image: str, folder: Path) -> None:
    """Build Debian's Python under the official image's name; pip and apt use this host's mirrors."""
    raw = f"so8t-ab-stand-in/{_CODENAME}"
    if not _docker("image", "inspect", raw, quiet=True):
        _make_tree(raw, folder / "tree.tar")
    (folder / "tree.tar").unlink(missing_ok=True)
    _write_host_settings(folder)
    _build(
        image,
        folder,
        f"""\
        FROM {raw}
        COPY certificates.crt {_CERTIFICATES}
        COPY pip.conf /etc/pip.conf
        COPY sources/ /etc/apt/sources.list.d/
        RUN rm -f /etc/apt/sources.list /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s python3 /usr/bin/python
        ENV SSL_CERT_FILE={_CERTIFICATES} REQUESTS_CA_BUNDLE={_CERTIFICATES}
        CMD ["python3"]
        """,
    )


def _make_tree(raw: str, tar: Path) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("A stand-in for the Python image can only be built by root on a Debian host.")
    if shutil.which("mmdebstrap") is None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", "mmdebstrap"]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", _CODENAME, str(tar)]
    subprocess.run([*command, f"deb {_mirror()} {_CODENAME} main"], check=True)
    if not _docker("import", str(tar), raw):
        sys.exit("docker import failed: see above.")


def _mirror() -> str:
    """Return the address of the first Debian mirror in this host's apt sources."""
    for file in _debian_sources():
        found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?) *(\S+)", file.read_text("utf-8"), re.MULTILINE)
        if found:
            return found[1]
    sys.exit("This host's apt sources name no Debian mirror.")


def _debian_sources() -> list[Path]:
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    return [
        f
        for f in files
        if f.is_file() and re.search(rf"^(Suites:.*\b{_CODENAME}|deb .*debian/? {_CODENAME})\b", f.read_text(), re.M)
    ]


def _write_host_settings(folder: Path) -> None:
    """Write this host's settings for reaching package registries: certificates, apt sources, pip's settings."""
    shutil.copyfile(_CERTIFICATES, folder / "certificates.crt")
    (folder / "sources").mkdir()
    for source in _debian_sources():
        name = source.name if source.parent.name == "sources.list.d" else "host.list"
        (folder / "sources" / name).write_text(without_credentials(source.read_text("utf-8")), "utf-8")
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    wanted = {"index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout"}
    lines = [f"cert = {_CERTIFICATES}"]
    for key, value in re.findall(r"^\S+?\.([a-z-]+)='(.*)'$", settings, re.MULTILINE):
        if key in wanted:
            lines.append(f"{key.removeprefix('default-')} = {value}")
    text = "[global]\n" + "\n".join(dict.fromkeys(lines)) + "\n"
    (folder / "pip.conf").write_text(without_credentials(text), "utf-8")


def without_credentials(text: str) -> str:
    """Remove user names and passwords from URLs: an image keeps everything that was ever copied into it."""
    return re.sub(r"(?<=://)[^/\s@]+@", "", text)


def _make_server(image: str, folder: Path, programs: Mapping[str, Path | None], lines: str) -> None:
    """Build an image that holds these programs in /usr/bin; `lines` end its Dockerfile."""
    for name, program in programs.items():
        if program is None:
            sys.exit(f"{name} is not here.\n  to do: python .ci/servers.py install all")
        shutil.copy2(program, folder / name)
    python = next(name for name in public_images() if name.startswith("python:"))
    _build(image, folder, f"FROM {python}\nCOPY {' '.join(programs)} /usr/bin/\n{lines}")


def _make_minio(image: str, folder: Path) -> None:
    start = ["/bin/sh", "-c", '[ "$1" = minio ] || set -- minio "$@"; exec "$@"', "minio"]
    lines = f'ENTRYPOINT {json.dumps(start)}\nCMD ["minio"]\n'
    _make_server(image, folder, {"minio": servers.minio_binary(), "mc": servers.mc_binary()}, lines)


def _make_mc(image: str, folder: Path) -> None:
    lines = f'RUN cd /usr/bin && rm -f {_NOT_IN_MC}\nENTRYPOINT ["mc"]\n'
    _make_server(image, folder, {"mc": servers.mc_binary()}, lines)


def _make_ollama(image: str, folder: Path) -> None:
    lines = 'ENV OLLAMA_HOST=0.0.0.0:11434\nENTRYPOINT ["/usr/bin/ollama"]\nCMD ["serve"]\n'
    _make_server(image, folder, {"ollama": servers.ollama_binary()}, lines)


def _build(image: str, folder: Path, dockerfile: str) -> None:
    text = re.sub(r"^ +", "", dockerfile, flags=re.MULTILINE)
    (folder / "Dockerfile").write_text(f"{text}LABEL {LABEL}=1\n", "utf-8")
    if not _docker("build", "--quiet", "--tag", image, str(folder)):
        sys.exit(f"{image} could not be built: see above.")


def _docker(*arguments: str, quiet: bool = False, limit_s: float | None = None) -> bool:
    output = subprocess.DEVNULL if quiet else None
    environ = environment()
    if shutil.which("docker-buildx") is None:
        environ["DOCKER_BUILDKIT"] = "0"
    command = ["docker", *arguments]
    try:
        done = subprocess.run(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=output, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    raise SystemExit(main())
