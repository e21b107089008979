"""Settings of the containers: the shell's value, else the one in .env, as compose itself reads them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from so8t_shared.errors import InputError

COMPOSE_FILE = "compose.yaml"
_CPU_FILE = "compose.cpu.yaml"
_OVERRIDE_FILE = "compose.override.yaml"
_NAME = re.compile(r"\$\{(\w+)")
_READ_BESIDE = ("ENV_FILE", "SO8T_INPUTS_ROOT", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH")
"""Variables that compose.yaml does not name, and this program or Docker reads."""


def need_project() -> None:
    """Check that this folder is a clone of the project.

    Raises:
        InputError: there is no compose.yaml.
    """
    if not Path(COMPOSE_FILE).is_file() or not Path("Dockerfile").is_file():
        raise InputError(
            "The containers are built and started from a clone of the project.",
            where=str(Path.cwd()),
            remedy="change to the folder that holds compose.yaml and Dockerfile",
        )


def env_file() -> Path:
    """The file that holds settings."""
    return Path(os.environ.get("ENV_FILE") or ".env")


def setting(name: str, default: str) -> str:
    """Value of a setting; a comment after it and its quotes are removed."""
    if value := os.environ.get(name):
        return value
    path = env_file()
    text = path.read_text("utf-8") if path.is_file() else ""
    found = re.findall(rf"^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*(.*?)[ \t\r]*$", text, re.MULTILINE)
    if not found:
        return default
    value = found[-1]
    quoted = re.fullmatch(r"(['\"])(.*)\1(?:\s+#.*)?", value)
    return (quoted[2] if quoted else re.sub(r"\s#.*", "", value)) or default


def for_configuration(file: Path) -> dict[str, str]:
    """Settings that run this configuration in containers: it needs not be in configs/, nor inputs/ be named in .env.

    Raises:
        InputError: there is no such file.
    """
    if not file.is_file():
        raise InputError(
            "There is no such configuration.",
            where=str(file),
            remedy=f"write one: python deploy/start.py -- init {file}; or correct the path",
        )
    return settings_for(file)


def settings_for(file: Path) -> dict[str, str]:
    """Like `for_configuration`, whether there is such a file or not."""
    file = Path(os.path.abspath(file))  # noqa: PTH100 - the link, not its target
    configs = Path(setting("SO8T_CONFIGS", "configs")).absolute()
    if not file.is_relative_to(configs):
        configs = file.parent
    return {
        "SO8T_CONFIG": f"configs/{file.relative_to(configs).as_posix()}",
        "SO8T_CONFIGS": configs.as_posix(),
        "SO8T_INPUTS": setting("SO8T_INPUTS", Path(setting("SO8T_INPUTS_ROOT", "inputs")).absolute().as_posix()),
        "SO8T_INPUTS_AT": setting("SO8T_INPUTS_AT", "inputs"),
    }


def given_variables() -> dict[str, str]:
    """What the shell sets for compose and Docker, sorted by name; none of it is a secret."""
    texts = [path.read_text("utf-8") for path in Path().glob("compose*.yaml")]
    read = {name for text in texts for name in _NAME.findall(text)} | set(_READ_BESIDE)
    return {n: os.environ[n] for n in sorted(os.environ) if n in read or n.startswith("COMPOSE_")}


def keep_or_set(name: str, value: str) -> bool:
    """Add a line to .env unless it sets this name already; whether it was added."""
    path = env_file()
    text = path.read_text("utf-8") if path.is_file() else ""
    if re.search(rf"^{name}=", text, re.MULTILINE):
        return False
    if text and not text.endswith("\n"):
        text += "\n"
    path.write_text(f"{text}{name}={value}\n", "utf-8", newline="\n")
    return True


def compose_environment(*, cpu: bool) -> dict[str, str]:
    """The environment for compose; with `cpu`, compose.cpu.yaml is added to its files."""
    environment = dict(os.environ)
    if cpu:
        usual = COMPOSE_FILE + (os.pathsep + _OVERRIDE_FILE if Path(_OVERRIDE_FILE).exists() else "")
        files = setting("COMPOSE_FILE", usual)
        separator = setting("COMPOSE_PATH_SEPARATOR", os.pathsep)
        if _CPU_FILE not in files.split(separator):
            environment["COMPOSE_FILE"] = f"{files}{separator}{_CPU_FILE}"
    return environment
