"""Which rungs a ladder has, in which order, and which of them are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from so8t_shared.canonical import digest
from so8t_shared.errors import ConfigError, IntegrityError, NewerFormat
from so8t_shared.files import sha256_file
from so8t_shared.host import host_name
from so8t_shared.json_files import as_lines
from so8t_shared.ladders.orders import LadderStep, RungOrder, rounding_name
from so8t_shared.ladders.source import Given, Served, Source
from so8t_shared.processor import usable_cores
from so8t_shared.results.ladder import RungRecord
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables import quantizations, rungs

_VERSION = 2
"""Raised when a rung's figures change for the same input."""
_SOURCES = ("trained", "merged", quantizations.BASE)
"""Rungs that others are made from, in their order."""
SERVED = "ollama"
"""The rung of a server; made from the file of its quantization."""
_BYTES_PER_TOKEN = 3
_SYSTEM_TOKENS = 60
_ROUNDED_ROWS = 24
_OPERATIONS_PER_S = 2.5e10
"""Of one core, in fp32 as in llama.cpp; only for the estimate."""


@dataclass(frozen=True)
class Settings:
    """What every rung is asked with."""

    folder: Path
    """Where the rungs' records are."""
    end_of_turn: str
    context: int
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class PlannedRung:
    """A rung, and what its service is asked for."""

    step: LadderStep
    work: str
    model: Given
    trained: Given | None
    served: Served | None
    keys: Mapping[str, str]
    """Of what is missing, see `RungOrder.keys`."""
    rows_file: Path
    settings: Settings
    rows: int
    """Rows that are left to measure, those of roundings included."""
    seconds: float
    """About how long that takes on this host."""

    def order(self) -> RungOrder:
        """Return the order, after fetching what it reads.

        Raises:
            IntegrityError: that is missing or altered.
        """
        is_file = bool(self.step.quantization)
        return RungOrder(
            rung=self.step.rung,
            keys=dict(self.keys),
            folder=str(self.settings.folder),
            rows=str(self.rows_file),
            model=str(self.model.fetch()),
            sha256=self.served.model.digest if self.served else self.model.digest if is_file else "",
            served=self.served.model.name if self.served else "",
            server=self.served.model.address if self.served else "",
            trained=str(self.trained.fetch()) if self.trained else "",
            quantization=self.step.quantization,
            end_of_turn=self.settings.end_of_turn,
            context=self.settings.context,
            device=self.settings.device,
            threads=self.settings.threads,
        )


def plan_ladder(
    source: Source, rows: Sequence[LabeledRow], rows_file: Path, settings: Settings, wanted: Sequence[str] = ()
) -> list[PlannedRung]:
    """Return the rungs in their order; all of them, or those that are wanted.

    Raises:
        ConfigError: a wanted rung does not exist.
    """
    steps = _steps(source, wanted)
    needed = {rungs.rounding_of(step.kind, step.quantization) for step in steps if step.before} - {""}
    torch = [step for step in steps if not step.quantization]
    rounded, rows_digest = torch[-1].rung if torch else "", sha256(as_lines(rows)).hexdigest()
    return [
        _planned(step, source, rows, rows_file, rows_digest, settings, sorted(needed) if step.rung == rounded else [])
        for step in steps
    ]


def names_of(source: Source) -> list[str]:
    """Return the names of all rungs that the source has."""
    torch = [*(["trained"] if source.trained else []), *(["merged"] if source.checkpoint else [])]
    files = [name for name in quantizations.ORDER if name in source.files]
    return [*torch, *files, *([SERVED] if source.served else [])]


def _steps(source: Source, wanted: Sequence[str]) -> list[LadderStep]:
    known = names_of(source)
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError(
            f"There is no rung named {', '.join(map(repr, unknown))}.",
            where="--rungs",
            remedy=f"use some of {', '.join(known)}",
        )
    chosen = [name for name in known if name in wanted or not wanted]
    return [_step(name, chosen, source) for name in chosen]


def _step(name: str, chosen: Sequence[str], source: Source) -> LadderStep:
    """Return the rung, made from the nearest one before it that is chosen; a quantization is made from F16."""
    row = _row(name)
    given = source.served.quantization if name == SERVED and source.served else ""
    quantization = name if row.per_quantization else given
    earlier = [one for one in chosen[: chosen.index(name)] if one in _SOURCES or one == given]
    title = row.title.format(quantization=quantization.upper())
    if name == "merged" and source.trained is None:
        title = "checkpoint"
    if given and given in earlier:
        earlier.append(given)
    return LadderStep(
        rung=name,
        title=title,
        kind="start" if not earlier else "file" if given and earlier[-1] != given else row.kind,
        quantization=quantization,
        before=earlier[-1] if earlier else "",
    )


def _row(name: str) -> rungs.Row:
    return rungs.BY_NAME.get(name) or rungs.BY_NAME["file"]


def _planned(
    step: LadderStep,
    source: Source,
    rows: Sequence[LabeledRow],
    rows_file: Path,
    rows_digest: str,
    settings: Settings,
    roundings: Sequence[str],
) -> PlannedRung:
    row = _row(step.rung)
    model = source.base if row.name == "trained" else source.checkpoint if row.name == "merged" else None
    model = model or source.files[step.quantization]
    trained = source.trained if row.name == "trained" else None
    served = source.served if row.name == SERVED else None
    key = {
        "version": _VERSION,
        "work": row.work,
        "model": model.digest,
        "trained": trained.digest if trained else "",
        "served": [served.model.name, served.model.address, served.model.digest, served.version] if served else [],
        "rows": rows_digest,
        "end": settings.end_of_turn,
        "settings": [settings.context if step.quantization else 0, settings.device, host_name()],
    }
    keys = {step.rung: digest(key)}
    keys |= {rounding_name(one): digest({**key, "rounding": one}) for one in roundings}
    missing = {name: one for name, one in keys.items() if not _is_there(settings.folder, name, one)}
    left = len(rows) * (step.rung in missing) + min(len(rows), _ROUNDED_ROWS) * len(missing.keys() - {step.rung})
    # weights of 2 bytes take as long as those of 4, and what is rounded is what it was
    weights = model.size_bytes / (1 if step.quantization else 2)
    return PlannedRung(
        step=step,
        work=row.work,
        model=model,
        trained=trained,
        served=served,
        keys=missing,
        rows_file=rows_file,
        settings=settings,
        rows=left,
        seconds=_estimate(weights, rows, left),
    )


def _is_there(folder: Path, name: str, key: str) -> bool:
    """Whether a record with this key and its arrays are there."""
    path = folder / f"{name}.json"
    with suppress(IntegrityError, NewerFormat):
        if path.is_file() and (record := RungRecord.read(path)).key == key:
            arrays = folder / f"{name}.npz"
            return arrays.is_file() and sha256_file(arrays) == record.arrays_sha256
    return False


def _estimate(weights: float, rows: Sequence[LabeledRow], count: int) -> float:
    if not count:
        return 0.0
    tokens = sum(len(row.text.encode()) / _BYTES_PER_TOKEN + _SYSTEM_TOKENS for row in rows) / len(rows)
    return 4.0 + count * tokens * weights / (_OPERATIONS_PER_S * usable_cores())
