"""A whole ladder: what is asked for, the rungs, and the files with the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.config.model import LEAST_CONTEXT, Config, Ollama
from so8t_shared.errors import InputError
from so8t_shared.files import make_folder
from so8t_shared.interruption import StopSignal
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.ladders.plan import SERVED, PlannedRung, Settings, plan_ladder
from so8t_shared.ladders.running import measure_rungs
from so8t_shared.ladders.source import Outputs, Source, source_of_folder, source_of_run, with_served
from so8t_shared.models.room import context_tokens
from so8t_shared.progress import Progress
from so8t_shared.results.ladder import LADDER_FILE, LadderResult
from so8t_shared.results.sides import Side
from so8t_shared.results.training import LabeledRow, Targets
from so8t_shared.sessions.outputs import demand_output, output_of
from so8t_shared.sessions.session import find_session, read_record
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.functions import named
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.rungs import DEFAULT_ROWS

_ROWS_FILE = "rows.jsonl"
_STEP = 256
_CHATTING = "so8t_evaluator.ladder.chatting"


@dataclass(frozen=True)
class Asked:
    """What a command asks for."""

    folder: Path
    """Of the result; the rungs lie below it."""
    session: str
    sources: Sequence[Source]
    rows: Sequence[LabeledRow]
    context: int
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None


def session_of(store: ArtifactStore, config: Config, session: str) -> str | None:
    """Return the session's name; None if the configuration has none yet."""
    if session:
        read_record(store, session)
    return session or find_session(store, config)


@dataclass(frozen=True)
class InOllama:
    """A model on an Ollama server."""

    name: str = ""
    """Empty for the one that the run imported there, if it did."""
    address: str = ""
    """Empty for ollama.host."""


def ask_of_session(
    store: ArtifactStore,
    config: Config,
    session: str,
    sides: Sequence[Side],
    rows: str,
    to: Path | None,
    served: InOllama | None,
) -> Asked:
    """Return what to ask about models of a session; None for `served` leaves Ollama out.

    Raises:
        InputError: a stage has not finished, Ollama does not have the model, or there are no rows.
        ServerError: Ollama does not answer.
    """
    found = output_of(store, session, "train", "splits/")
    if found is None:
        raise InputError(
            "train has not finished in this session.",
            where=f"session {session} in {store.location}",
            remedy="finish it with 'so8t-ab run'",
        )
    digests = DigestCache(store.local_root / "digests.sqlite")
    outputs = partial(demand_output, store, session)
    sources = [_in_ollama(source_of_run(outputs, config, side, digests), served, config) for side in sides]
    folder = to or Path(config.output_base_dir) / "ladders" / session
    return _asked(folder, session, sources, rows, found / "splits", config)


def ask_of_stage(outputs: Outputs, splits: Path, config: Config, folder: Path, digests: DigestCache) -> Asked:
    """Return what a run with ab_test.ladder asks about model B, in its stage.

    Raises:
        InputError: a folder that it was made from is gone, or Ollama does not have it.
        ServerError: Ollama does not answer.
    """
    source = _in_ollama(source_of_run(outputs, config, "b", digests), InOllama(), config)
    return _asked(folder, "", [source], str(DEFAULT_ROWS), splits, config)


def _asked(folder: Path, session: str, sources: Sequence[Source], rows: str, splits: Path, config: Config) -> Asked:
    chosen = _chosen(rows, LabeledRow.read_lines(splits / "test.jsonl"))
    targets = splits / "targets.json"
    facts = Targets.read(targets) if targets.is_file() else None
    longest = (facts.longest_prompt_tokens, facts.longest_tokens) if facts else (0, None)
    return Asked(
        folder=folder,
        session=session,
        sources=sources,
        rows=chosen,
        context=context_tokens(config.ab_test, *longest),
        device=config.device,
        threads=config.ab_test.threads,
    )


def _in_ollama(source: Source, served: InOllama | None, config: Config) -> Source:
    """Add the model that `served` names, or that the run imported."""
    if served is None or not (served.name or config.ab_test.engine == SERVED):
        return source
    ours = config.ollama.model_a_name if source.side == "a" else config.ollama.model_b_name
    name = served.name or f"{ours}:{config.gguf.primary_quantization}"
    return with_served(source, name, served.address or config.ollama.host)


def ask_of_folder(
    model: Path,
    rows: str,
    files: Mapping[Quantization, Path],
    folder: Path,
    served: InOllama | None,
    *,
    read_only: bool = False,
) -> Asked:
    """Return what to ask about a model that was not trained here, its GGUF files, and its model in Ollama.

    Digests are kept in `folder`, unless `read_only`.

    Raises:
        InputError: this is no model's folder, Ollama does not have the model, or there are no rows.
        ServerError: Ollama does not answer.
    """
    chosen = _chosen(rows, [])
    source = source_of_folder(model, files, DigestCache(folder / "digests.sqlite", read_only=read_only))
    if served and served.name:
        source = with_served(source, served.name, served.address or Ollama().host)
    longest: int = named(f"{_CHATTING}:longest_prompt_bytes")(model, chosen)
    return Asked(folder, "", [source], chosen, max(LEAST_CONTEXT, -(-(longest + _STEP) // _STEP) * _STEP))


def plan(asked: Asked, source: Source, names: Sequence[str]) -> list[PlannedRung]:
    """Return the rungs of one model; writes nothing.

    Raises:
        ConfigError: there is no rung with such a name.
    """
    folder = rungs_folder(asked, source)
    settings = Settings(folder, _end_of_turn(source), asked.context, asked.device, asked.threads)
    return plan_ladder(source, asked.rows, folder / _ROWS_FILE, settings, names)


def run(
    asked: Asked, planned: Mapping[str, Sequence[PlannedRung]], progress: Progress, stop: StopSignal
) -> LadderResult:
    """Measure what is missing, compare, and write ladder.json, ladder.md and the picture.

    Raises:
        So8tError: what a rung's process raised, or the folder cannot be written.
        Interrupted: `stop` was set.
    """
    result = measure(asked, planned, progress, stop)
    write_json(asked.folder / LADDER_FILE, result)
    named("so8t_reporter.ladder.stages:write_ladder")(result, asked.folder)
    return result


def measure(
    asked: Asked, planned: Mapping[str, Sequence[PlannedRung]], progress: Progress, stop: StopSignal
) -> LadderResult:
    """Measure what is missing, and compare.

    Raises:
        So8tError: what a rung's process raised, or the folder cannot be written.
        Interrupted: `stop` was set.
    """
    for source in asked.sources:
        make_folder(rungs_folder(asked, source))
        write_lines(rungs_folder(asked, source) / _ROWS_FILE, asked.rows)
    measure_rungs([rung for rungs in planned.values() for rung in rungs], progress, stop)
    compare = named("so8t_evaluator.ladder.comparing:compare_rungs")
    ladders = [
        compare(
            source.name,
            source.side,
            rungs_folder(asked, source),
            [rung.step for rung in planned[source.name]],
            asked.rows,
            source.notes,
        )
        for source in asked.sources
    ]
    return LadderResult(session=asked.session, ladders=ladders)


def rungs_folder(asked: Asked, source: Source) -> Path:
    """Return the folder of a model's rungs."""
    return asked.folder / "rungs" / (source.side or "model")


def _end_of_turn(source: Source) -> str:
    form = source.checkpoint or next(iter(source.files.values()))
    found: str = named(f"{_CHATTING}:end_of_turn")(form.about())
    return found


def _chosen(asked: str, there: list[LabeledRow]) -> list[LabeledRow]:
    """Return as many of the rows as a number asks for, or the rows of a file."""
    select: Any = named("so8t_evaluator.rows:select")
    found = select(there, int(asked)) if asked.isdigit() else _read(Path(asked))
    if not found:
        raise InputError(
            "There are no rows.", where=f"--rows {asked}", remedy="name a file with rows, or a number above 0"
        )
    return list(found)


def _read(path: Path) -> list[LabeledRow]:
    rows: list[LabeledRow] = named("so8t_trainer.ladder.rows:read_rows")(path)
    return rows
