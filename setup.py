"""Adds the converter's compiled kernels to the wheel; pyproject.toml has everything else.

setuptools compiles only extension modules, which need Python's headers and are tied to a version of Python. The kernels
are an ordinary shared library, and the wheel is complete without it.
"""

import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, "services/converter/kernels")
from build import build


@cache
def compiled() -> Path | None:
    """Compile the kernels; None where that is impossible."""
    library = Path(mkdtemp()) / "libkernels.so"
    return library if build(library) else None


class WithKernels(build_py):
    """Places the library beside the module that loads it."""

    def run(self) -> None:
        super().run()
        library = compiled()
        if library:
            folder = "services/converter" if self.editable_mode else self.build_lib
            self.copy_file(str(library), f"{folder}/so8t_converter/{library.name}")


class PlatformWheel(bdist_wheel):
    """Tags a wheel that has the library with its platform, for every Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        *_, platform = super().get_tag()
        return "py3", "none", platform


class WithLibrary(Distribution):
    """Goes to the folder of platform packages if it has the library."""

    def has_ext_modules(self) -> bool:
        return compiled() is not None


setup(distclass=WithLibrary, cmdclass={"build_py": WithKernels, "bdist_wheel": PlatformWheel})
