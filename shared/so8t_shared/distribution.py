"""The installed distribution `so8t-ab`: its version, and missing packages of its extras."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata

from so8t_shared.errors import MissingExtra

NAME = "so8t-ab"

EXTRAS = {
    "so8t_converter": "convert",
    "so8t_trainer": "train",
    "so8t_evaluator": "evaluate",
    "so8t_reporter": "report",
    "so8t_gateway": "gateway",
    "so8t_dashboard": "ui",
    "so8t_ray": "ray",
    "so8t_k8s.executor": "k8s",
    "so8t_demo": "demo",
    "so8t_shared.notify.deliver": "notify",
    "so8t_shared.bundles.signing": "evaluate",
}
"""Maps each service, and modules that alone need more than their package, to the extra that installs their imports.
Other modules need only the core."""


def version() -> str:
    """The version of this program."""
    return metadata.version(NAME)


def missing_packages(module: str) -> list[str]:
    """Packages of a module's extra that are not installed, sorted."""
    needed = re.compile(rf"([\w.-]+).*;.*\bextra == ['\"]{EXTRAS.get(module)}['\"]")
    named = (found[1] for requirement in metadata.requires(NAME) or [] if (found := needed.match(requirement)))
    return sorted(name for name in named if not _is_installed(name))


def install_command(modules: Iterable[str]) -> str:
    """The command that installs the extras of those modules."""
    return f"pip install '{NAME}[{','.join(sorted({EXTRAS[module] for module in modules}))}]'"


def need_extras(modules: Iterable[str]) -> None:
    """Check that the packages the modules import are installed.

    Raises:
        MissingExtra: names the missing packages and the command that installs them.
    """
    missing = {module: names for module in modules if (names := missing_packages(module))}
    if missing:
        packages = ", ".join(sorted({name for names in missing.values() for name in names}))
        raise MissingExtra(
            f"Required packages are not installed: {packages}.",
            where=", ".join(missing),
            remedy=install_command(missing),
        )


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True
