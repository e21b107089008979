"""`so8t-ab ladder`: the same rows through every hand-over of a model, and where something was lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from so8t_shared.cli.common import SetOption, no_session, open_workspace, print_notes
from so8t_shared.cli.convert import named_quantizations
from so8t_shared.config.values import served_name
from so8t_shared.distribution import need_extras
from so8t_shared.errors import ConfigError, GateRefused, InputError
from so8t_shared.models.gguf_file import read_header
from so8t_shared.privacy import private_files
from so8t_shared.processes import check_stages_can_run
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.tables.functions import named
from so8t_shared.tables.quantizations import BY_NAME, ORDER, Quantization
from so8t_shared.tables.rungs import DEFAULT_ROWS
from so8t_shared.terminal.console import out, say

if TYPE_CHECKING:
    from so8t_shared.ladders.ladder import Asked
    from so8t_shared.ladders.plan import PlannedRung
    from so8t_shared.results.ladder import LadderResult

_SIDES: dict[str, tuple[Side, ...]] = {"a": ("a",), "b": ("b",), "both": SIDES}
_HOST = "SO8T__OLLAMA__HOST"
_NEEDED = ["so8t_trainer", "so8t_evaluator", "so8t_reporter"]


def ladder(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", envvar="SO8T_CONFIG", help="Configuration of a finished run.", show_default=False
        ),
    ] = None,
    session: Annotated[str, typer.Argument(envvar="SO8T_SESSION", help="By default the configuration's session.")] = "",
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    side: Annotated[str, typer.Option("--side", help="Model: a, b or both.")] = "b",
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Instead of a run: the folder of any checkpoint.", show_default=False),
    ] = None,
    rows: Annotated[
        str, typer.Option("--rows", help="Number of test rows, balanced over the classes, or a file with rows.")
    ] = str(DEFAULT_ROWS),
    quantizations: Annotated[
        list[str], typer.Option("--quantizations", "-q", metavar="NAMES", help="With --model: what to convert to.")
    ] = ["F16,Q8_0,Q4_K_M"],  # noqa: B006
    own: Annotated[
        list[Path],
        typer.Option("--gguf", metavar="FILE", help="With --model: your file instead of a conversion; repeatable."),
    ] = [],  # noqa: B006
    chosen: Annotated[
        list[str],
        typer.Option("--rungs", metavar="NAMES", help="With commas: trained, merged, f16, q8_0, ..., ollama."),
    ] = [],  # noqa: B006
    ollama: Annotated[
        str, typer.Option("--ollama", metavar="NAME", help="Also the model of this name in Ollama, as it is there.")
    ] = "",
    host: Annotated[
        str,
        typer.Option("--host", envvar=_HOST, metavar="ADDRESS", help="Ollama's server; by default ollama.host."),
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="By default ladders/ in the results.", show_default=False),
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 10 if something was lost.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show the rungs and the time they take.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the hand-over that lost quality, from adapter to Ollama.

    The same rows go through every form of a model, and each is compared with the one that it was made from. A loss is
    named: decisions lost, or a larger difference than this hand-over explains. After a kill, the same command resumes.

    Examples:

      so8t-ab ladder -c my.yaml

      so8t-ab ladder -c my.yaml --side both --rungs merged,f16,q4_k_m

      so8t-ab ladder --model my-finetune --rows rows.jsonl -q F16,Q4_K_M --ollama my-finetune:latest

      so8t-ab ladder --model my-finetune --rows rows.jsonl -q F16 --gguf theirs-Q4_K_M.gguf
    """
    from so8t_shared.ladders import ladder as ladders

    if (config is None) == (model is None):
        raise ConfigError(
            "Name a configuration or a model.", where="--config, --model", remedy="write -c my.yaml, or --model FOLDER"
        )
    if own and model is None:
        raise ConfigError(
            "--gguf is for a model that was not trained here.", where="--gguf", remedy="add --model FOLDER"
        )
    if side not in _SIDES:
        raise ConfigError(f"There is no side {side!r}.", where="--side", remedy=f"use {', '.join(_SIDES)}")
    if ollama and side == "both":
        raise ConfigError("--ollama names one model.", where="--side both", remedy="use --side a or --side b")
    check_stages_can_run("so8t-ab ladder")
    need_extras([*_NEEDED, *(["so8t_converter"] if model else [])])
    names = [name.strip().lower() for text in chosen for name in text.split(",") if name.strip()]
    served = ladders.InOllama(_with_tag(ollama), host) if not names or "ollama" in names else None
    with private_files():
        if model is not None:
            folder = to or Path("ladders") / model.resolve().name
            files = _files_of(model, folder / "gguf", named_quantizations(quantizations)) | _own_files(own)
            asked = ladders.ask_of_folder(model, rows, files, folder, served, read_only=dry_run)
        else:
            assert config
            workspace = open_workspace(config, overrides)
            found = ladders.session_of(workspace.store, workspace.config, session)
            if not found:
                raise no_session(workspace)
            asked = ladders.ask_of_session(workspace.store, workspace.config, found, _SIDES[side], rows, to, served)
        planned = _planned(asked, names)
        if model is not None and not dry_run and _convert(model, files):
            asked = ladders.ask_of_folder(model, rows, files, folder, served)
            planned = _planned(asked, names)
        if dry_run:
            _show_plan(planned)
            return
        result = _run(asked, planned)
    if as_json:
        say(json.dumps(result.model_dump(mode="json"), indent=2) + "\n")
    else:
        _show(result, asked.folder)
    lost = [each for each in result.ladders if each.lost_at]
    if gate and lost:
        raise GateRefused(lost[0].sentence, where=str(asked.folder), remedy="repair this hand-over, then run it again")


def _with_tag(ollama: str) -> str:
    try:
        return served_name(ollama) if ollama else ""
    except ValueError as error:
        raise ConfigError(f"{ollama!r} is no model's name.", where="--ollama", remedy=str(error)) from error


def _files_of(model: Path, folder: Path, wanted: Sequence[Quantization]) -> dict[Quantization, Path]:
    """Return where the model's GGUF files are, or will be."""
    conversion = named("so8t_converter.convert:Conversion")(model, "", tuple(wanted))
    paths: dict[Quantization, Path] = named("so8t_converter.standalone:paths_of")(conversion, folder)
    return paths


def _own_files(paths: Sequence[Path]) -> dict[Quantization, Path]:
    """Return the user's files by what their headers say."""
    found: dict[Quantization, Path] = {}
    for path in paths:
        says = read_header(path).file_type or ""
        if (name := says.lower()) not in BY_NAME:
            known = ", ".join(each.upper() for each in ORDER)
            raise InputError(
                f"Its quantization is {says or 'unknown'}.", where=str(path), remedy=f"name one in {known}"
            )
        if name in found:
            raise InputError(f"Two files are in {says}.", where=f"{found[name]}, {path}", remedy="name one")
        found[name] = path
    return found


def _convert(model: Path, files: dict[Quantization, Path]) -> bool:
    """Make the files that are missing, by the code of `so8t-ab convert`; return whether any was."""
    from so8t_shared.cli.alone import shown

    missing = tuple(name for name, path in files.items() if not path.is_file())
    if missing:
        conversion, folder = named("so8t_converter.convert:Conversion")(model, "", missing), files[missing[0]].parent
        with shown("convert", "checkpoint to GGUF") as (progress, stop):
            named("so8t_converter.standalone:convert_folder")(conversion, folder, progress, stop)
    return bool(missing)


def _planned(asked: Asked, names: Sequence[str]) -> dict[str, list[PlannedRung]]:
    from so8t_shared.ladders.ladder import plan

    return {source.name: plan(asked, source, names) for source in asked.sources}


def _run(asked: Asked, planned: dict[str, list[PlannedRung]]) -> LadderResult:
    from so8t_shared.cli.alone import shown
    from so8t_shared.ladders import ladder as ladders

    with shown("ladder", "measure every rung", left="the measured rungs are kept") as (progress, stop):
        return ladders.run(asked, planned, progress, stop)


def _show_plan(planned: dict[str, list[PlannedRung]]) -> None:
    from so8t_shared.terminal.ladder_table import plan_table

    for name, rungs in planned.items():
        out.print(plan_table(name, [(rung.step.title, rung.rows, rung.seconds) for rung in rungs]))


def _show(result: LadderResult, folder: Path) -> None:
    from so8t_shared.terminal.ladder_table import ladder_tables

    for each in result.ladders:
        print_notes(each.notes)
        out.print(ladder_tables(each))
    out.print(f"Details: {folder}/ladder.md", highlight=False, markup=False, soft_wrap=True)
