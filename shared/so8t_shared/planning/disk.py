"""Disk space before it is needed: what the stages will write, against what is free where they write it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError, NewerFormat, StorageError
from so8t_shared.formatting import size
from so8t_shared.places import gguf_name, model_file
from so8t_shared.planning.plan import PlannedStage
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.running.scratch import scratch_stem, unfinished_bytes
from so8t_shared.stages import BY_NAME
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named


@dataclass(frozen=True)
class Written:
    """Files that a stage will write."""

    stage: str
    what: str
    folder: Path
    size_bytes: int
    certain: bool = True
    """False for copies that may be there already, or share their blocks with the original."""


@dataclass(frozen=True)
class Disk:
    """One disk and what will be written there."""

    folders: tuple[Path, ...]
    free_bytes: int
    written: tuple[Written, ...]

    @property
    def needed_bytes(self) -> int:
        """Bytes that will be written, with all copies."""
        return sum(item.size_bytes for item in self.written)

    @property
    def certain_bytes(self) -> int:
        """Bytes without which the run cannot end."""
        return sum(item.size_bytes for item in self.written if item.certain)

    def __str__(self) -> str:
        places = ", ".join(map(str, self.folders))
        return f"{places}: {size(self.needed_bytes)} will be written, {size(self.free_bytes)} is free"


def plan_disks(config: Config, store: ArtifactStore, planned: Sequence[PlannedStage]) -> list[Disk]:
    """Return the disks that the stages to run will write to; sizes are known where the models are on this host."""
    return disks_of(_all_written(config, store, {line.stage.name: line for line in planned if line.action != "reuse"}))


def disks_of(files: Iterable[Written]) -> list[Disk]:
    """Return the disks on which the files will lie."""
    items: dict[int, list[Written]] = {}
    for item in files:
        if item.size_bytes:
            items.setdefault(_existing(item.folder).stat().st_dev, []).append(item)
    disks = [_disk(tuple(written)) for written in items.values()]
    return [disk for disk in disks if disk is not None]


_LESS = (
    "free some space ('so8t-ab artifacts gc' removes what no session needs), request fewer gguf.quantizations,"
    " or move checkpoint_dir to another disk"
)


def check_disks(disks: Sequence[Disk], work: str = "run", remedy: str = _LESS) -> list[str]:
    """Return a warning for each disk that is full unless copies are there already; `work` is what writes there.

    Raises:
        StorageError: a disk has no room for what must be written.
    """
    full = [disk for disk in disks if disk.certain_bytes > disk.free_bytes]
    if full:
        raise StorageError(
            f"The {work} cannot end: too little disk space is free.",
            where="; ".join(map(str, full)),
            remedy=remedy,
        )
    return [f"little disk space: {disk}" for disk in disks if disk.needed_bytes > disk.free_bytes]


def _all_written(config: Config, store: ArtifactStore, running: dict[str, PlannedStage]) -> Iterator[Written]:
    folder = store.local_root if store.remote else Path(config.checkpoint_dir)
    for stage, line in running.items():
        sizes = _sizes(stage, config)
        kept = _kept_bytes(store, line)
        for what, size_bytes in sizes.items():
            yield Written(stage, what, folder, max(0, size_bytes - kept))
            kept = max(0, kept - size_bytes)
        if stage in CONVERTED_BY.values() and not store.remote:
            yield from _handed_over(stage, sizes, config)
        if stage == "import":
            yield from _in_engine(config)


def _sizes(stage: str, config: Config) -> dict[str, int]:
    function = named(BY_NAME[stage].writes)
    return dict(function(config)) if function else {}


def _handed_over(stage: str, sizes: dict[str, int], config: Config) -> Iterator[Written]:
    side: Side = next(side for side, name in CONVERTED_BY.items() if name == stage)
    for quantization in config.gguf.quantizations:
        if model_file(config, "session", gguf_name(side, quantization)):
            folder = Path(config.output_base_dir)
            yield Written(stage, f"copy of {quantization}", folder, sizes.get(quantization, 0), certain=False)


def _in_engine(config: Config) -> Iterator[Written]:
    find = named(engines.BY_NAME[config.ab_test.engine].models_folder)
    folder = find(config) if find else None
    if folder is None:
        return
    for side in SIDES:
        sizes = _sizes(CONVERTED_BY[side], config)
        copies = sum(sizes.get(quantization, 0) for quantization in config.gguf.quantizations)
        yield Written("import", f"model {side.upper()} in {config.ab_test.engine}", folder, copies, certain=False)


def _kept_bytes(store: ArtifactStore, line: PlannedStage) -> int:
    """Bytes that earlier attempts have saved already."""
    if line.fingerprint is None:
        return 0
    total = unfinished_bytes(store.local_root, scratch_stem(line.stage.name, line.fingerprint))
    if line.action != "resume":
        return total
    for places in Artifact(store, line.stage.name, line.fingerprint).checkpoints().values():
        for files in places:
            try:
                manifest = files.manifest()
            except (IntegrityError, NewerFormat):
                continue
            total += sum(entry.size_bytes for entry in manifest.files) if manifest else 0
    return total


def _disk(written: tuple[Written, ...]) -> Disk | None:
    """The disk on which the files lie; None for what is no disk, such as /proc."""
    folders = tuple(dict.fromkeys(item.folder for item in written))
    usage = shutil.disk_usage(_existing(folders[0]))
    return Disk(folders, usage.free, written) if usage.total else None


def _existing(folder: Path) -> Path:
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links, unlike resolve
    return next(path for path in (absolute, *absolute.parents) if path.exists())
