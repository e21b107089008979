"""What the stages' containers see of this host, and whether a configuration's inputs are among it.

A stage would find out, too, but only after the images are built.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from so8t_shared.artifacts.fingerprints import check_model_folder
from so8t_shared.config.drives import VARIABLE, here
from so8t_shared.config.load import Loaded, read_config
from so8t_shared.config.model import Config
from so8t_shared.containers import demo
from so8t_shared.containers.settings import setting
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.processes import UNPRIVILEGED
from so8t_shared.stage_inputs import ModelInput
from so8t_shared.stages import STAGES

_WORK = PurePosixPath("/work")


@dataclass(frozen=True)
class _Mounts:
    """The two folders of this host that stages read, and what the configuration calls them."""

    configs: Path
    inputs: Path
    inputs_at: str

    def on_host(self, path: str) -> Path | None:
        """Where this host has what a container sees at `path`; None if it sees nothing there."""
        if PureWindowsPath(path).drive:
            return Path(here(path, str(self.inputs), windows=False))
        if Path(path).is_relative_to(self.inputs):
            return Path(path)  # of a drive, put there by inputs_root
        inside = _WORK / PureWindowsPath(path).as_posix()
        for name, folder in (("configs", self.configs), (self.inputs_at, self.inputs)):
            if inside.is_relative_to(_WORK / name):
                return folder.joinpath(*inside.relative_to(_WORK / name).parts)
        return None


@dataclass(frozen=True)
class _Fault:
    what: str
    remedy: str


def check_inputs(*, no_gpu: bool) -> None:
    """Check that the containers can read the configuration, and the models and data that it names.

    The demo's own are checked with the mounted folders. `no_gpu`: a GPU would have been taken, and there is none.

    Raises:
        ConfigError: the configuration has faults, or requires a GPU that is not there.
        InputError: a model or data set cannot be read by the stages; all of them are named.
    """
    if demo.is_chosen():
        return
    mounts = _mounts()
    file = _file(mounts)
    loaded = read_config(file, environ={VARIABLE: str(mounts.inputs)})
    if loaded.config.device == "cuda" and no_gpu:
        raise ConfigError(
            "The configuration requires a GPU, but Docker has no NVIDIA GPU.",
            where="device = cuda",
            remedy="install the NVIDIA Container Toolkit; or train on the CPU, which is slow: add --cpu to the command",
        )
    if faults := list(_faults(loaded, mounts)):
        remedies = "; ".join(dict.fromkeys(fault.remedy for fault in faults))
        lines = "".join(f"\n    - {fault.what}" for fault in faults)
        raise InputError("The containers cannot read all inputs.", where=f"{file}{lines}", remedy=remedies)


def chosen_configuration() -> Config | None:
    """The configuration that the containers run; None for the demo's.

    Raises:
        ConfigError: it has faults.
        InputError: it is not where containers see it.
    """
    if demo.is_chosen():
        return None
    mounts = _mounts()
    return read_config(_file(mounts), environ={VARIABLE: str(mounts.inputs)}).config


def _file(mounts: _Mounts) -> Path:
    name = setting("SO8T_CONFIG", "")
    file = mounts.on_host(name)
    if file is None:
        raise InputError(
            "The containers do not see the configuration.",
            where=f"SO8T_CONFIG = {name}",
            remedy="put it in configs/, or name it: so8t-ab up FILE",
        )
    return file


def _mounts() -> _Mounts:
    configs, inputs = setting("SO8T_CONFIGS", "configs"), setting("SO8T_INPUTS", demo.FOLDER)
    return _Mounts(Path(configs).absolute(), Path(inputs).absolute(), setting("SO8T_INPUTS_AT", demo.FOLDER))


def _faults(loaded: Loaded, mounts: _Mounts) -> Iterator[_Fault]:
    written = {new: old for old, new in loaded.moved.items()}
    keys: dict[str, str] = {}
    for item in (item for stage in STAGES for item in stage.paths(loaded.config)):
        key = f"{item.name}.base_model" if isinstance(item, ModelInput) else item.name
        keys.setdefault(str(item.path), key)
        place = mounts.on_host(str(item.path))
        if keys[str(item.path)] != key:
            continue
        named = f"{key} = {written.get(str(item.path), item.path)}"
        if place is None:
            remedy = f"write {mounts.inputs_at}/... for what is in {mounts.inputs}, the folder that they see"
            yield _Fault(f"{named} is not in a folder that they see", f"{remedy} (SO8T_INPUTS)")
        elif not place.exists():
            remedy = "copy it there, or set SO8T_INPUTS in .env to the folder that stands for the drive"
            yield _Fault(f"{named}: {place} is missing", remedy)
        else:
            yield from _unreadable(named, place, mounts)
            if isinstance(item, ModelInput):
                check_model_folder(ModelInput(item.name, place))


def _unreadable(named: str, place: Path, mounts: _Mounts) -> Iterator[_Fault]:
    """The first file that leads out of the mounted folder, and the first that the stages' user may not read."""
    files = [place, *sorted(place.rglob("*"))]
    root = os.path.realpath(mounts.inputs)
    for path in files:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            yield _Fault(f"{named}: {path} is a link to another folder", "copy the files themselves (cp -rL)")
            break
    if not sys.platform.startswith("linux"):
        return  # Docker Desktop lets any user of a container read
    user, group = (int(setting(name, str(UNPRIVILEGED))) for name in ("SO8T_UID", "SO8T_GID"))
    for path in files:
        if path.exists() and not _may_read(path, user, group):
            yield _Fault(f"{named}: the stages' user may not read {path}", f"chmod -R a+rX {mounts.inputs}")
            return


def _may_read(path: Path, user: int, group: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == user else 3 if status.st_gid == group else 0
    needed = 0o5 if path.is_dir() else 0o4
    return status.st_mode >> shift & needed == needed
