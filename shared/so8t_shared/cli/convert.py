"""`so8t-ab convert`: a checkpoint to GGUF files, without a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from so8t_shared.cli.alone import shown
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.layers import ALL, Layers
from so8t_shared.config.values import Rotation
from so8t_shared.distribution import need_extras
from so8t_shared.errors import ConfigError
from so8t_shared.formatting import duration, size
from so8t_shared.processes import check_stages_can_run
from so8t_shared.tables.functions import named
from so8t_shared.tables.quantizations import BY_NAME, ORDER, Quantization
from so8t_shared.terminal.console import out, say

if TYPE_CHECKING:  # slow: pydantic models
    from so8t_shared.results.folder_conversion import FolderConversion

_DEFAULT = ",".join(Gguf.model_fields["quantizations"].default).upper()
_NAMES = ", ".join(ORDER).upper()


def convert(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Hugging Face checkpoint, or what training wrote, with merged/ in it."),
    ],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the files.")],
    quantizations: Annotated[
        list[str],
        typer.Option("--quantizations", "-q", metavar="NAMES", help=f"With commas, in any case: {_NAMES}."),
    ] = [_DEFAULT],  # noqa: B006 - typer copies it
    name: Annotated[
        str, typer.Option("--name", help="Model's name in the file names; by default the folder's.", show_default=False)
    ] = "",
    rotation: Annotated[
        str,
        typer.Option("--rotation", help=f"How a checkpoint with SO8T gates rotates: {', '.join(get_args(Rotation))}."),
    ] = "cayley",
    layers: Annotated[str, typer.Option("--layers", help="Its layers with gates, such as 4-11.")] = ALL,
    imatrix: Annotated[
        Path | None,
        typer.Option(
            "--imatrix",
            metavar="FILE",
            help="Importance matrix (llama.cpp's); or a text (.txt), or training's train.jsonl, to measure one on.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Convert a checkpoint to GGUF, without a session.

    Writes OUT/NAME-Q4_K_M.gguf and so on, with tensors equal to the bytes of llama.cpp's own tools. All files
    appear at the end, or none; after a kill, the same command resumes. SO8T gates are folded into the weights.

    Examples:

      so8t-ab convert Phi-3.5-mini-instruct -o gguf

      so8t-ab convert Phi-3.5-mini-instruct -o gguf -q q8_0,q4_k_m --name phi35 --json
    """
    wanted = named_quantizations(quantizations)
    choices = (_name(name), wanted, _rotation(rotation), _layers(layers))
    check_stages_can_run("so8t-ab convert")
    need_extras(["so8t_converter"])
    conversion = named("so8t_converter.convert:Conversion")(folder, *choices, imatrix=imatrix)
    with shown("convert", "checkpoint to GGUF") as (progress, stop):
        done: FolderConversion = named("so8t_converter.standalone:convert_folder")(
            conversion, target, progress, stop, force=force
        )
    if as_json:
        say(json.dumps(done.model_dump(mode="json"), indent=2) + "\n")
        return
    for file in done.files:
        types = ", ".join(f"{count} {kind}" for kind, count in file.tensors.items())
        out.print(f"{file.path}: {size(file.bytes)}, {types}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"{done.architecture}, {done.parameters:,} parameters, {duration(done.seconds)}", highlight=False)


def named_quantizations(given: list[str]) -> tuple[Quantization, ...]:
    """Return what --quantizations names.

    Raises:
        ConfigError: it names nothing, or something unknown.
    """
    names = [name.strip().lower() for text in given for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in BY_NAME]
    if unknown or not names:
        what = (
            f"There is no quantization named {', '.join(map(repr, unknown))}."
            if unknown
            else "No quantization is named."
        )
        raise ConfigError(what, where="--quantizations", remedy=f"use some of {_NAMES}")
    return tuple(dict.fromkeys(names))


def _rotation(given: str) -> str:
    if given not in get_args(Rotation):
        remedy = f"use one of {', '.join(get_args(Rotation))}"
        raise ConfigError(f"There is no rotation named {given!r}.", where="--rotation", remedy=remedy)
    return given


def _layers(given: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter[str](Layers).validate_python(given)
    except ValidationError as error:
        remedy = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{given!r} names no layers.", where="--layers", remedy=remedy) from error


def _name(given: str) -> str:
    if given and (given != Path(given).name or "\0" in given):
        raise ConfigError(f"{given!r} is not a file name.", where="--name", remedy="use a name without '/'")
    return given
