"""`so8t-ab gguf`: look into GGUF files, compare them, and tell what quantization cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from so8t_shared.cli.alone import shown
from so8t_shared.distribution import need_extras
from so8t_shared.errors import InputError
from so8t_shared.escapes import visible
from so8t_shared.interruption import StopSignal
from so8t_shared.models.gguf_file import read_header
from so8t_shared.progress import Progress
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out, say

if TYPE_CHECKING:
    from so8t_shared.documents import Document
    from so8t_shared.results.gguf import GgufDiff
    from so8t_shared.results.verification import Verification

app = typer.Typer(help="Look into GGUF files; compare two; verify quantized ones.", no_args_is_help=True)

_DIFFERENT = 1
"""As diff and cmp do; 2 and 5 are files that cannot be compared."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="GGUF file.")],
    tensors: Annotated[bool, typer.Option("--tensors", help="Also list every tensor.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show long texts whole, such as the chat template.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show metadata and tensors of a file, SO8T's keys first.

    Reads no weights. Of arrays, the first elements are shown.

    Example:

      so8t-ab gguf info model-Q4_K_M.gguf --tensors
    """
    from so8t_shared.gguf_info import info_of  # slow: pydantic models
    from so8t_shared.terminal.gguf_text import info_lines

    found = info_of(read_header(file), tensors=tensors)
    _print(found, info_lines(found, full=full), as_json=as_json)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="GGUF file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="GGUF file.")],
    as_json: JsonOption = False,
) -> None:
    """Compare two files: every key, every byte of every tensor.

    Exits with 0 if they are equal, with 1 if they differ. The order of keys and tensors does not count. Of tensors that
    differ, it counts the blocks and shows the largest difference between two weights.

    Example:

      so8t-ab gguf diff a-Q4_K_M.gguf b-Q4_K_M.gguf
    """
    need_extras(["so8t_converter"])
    with shown("diff", "compare two GGUF files") as (progress, stop):
        found: GgufDiff = named("so8t_converter.gguf_diff:diff")(a, b, _stoppable(progress, stop))
    from so8t_shared.terminal.gguf_text import diff_lines  # slow: pydantic models

    _print(found, diff_lines(found), as_json=as_json)
    if not found.equal:
        raise typer.Exit(_DIFFERENT)


@app.command()
def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES", help="GGUF files of one model, or a folder with them.")
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference", metavar="FILE", help="What to compare with; by default the F16 file.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare quantized files with F16 on fixed texts.

    The texts are Japanese, English, code and emoji. Writes verify.json beside the first file: types, sha256, KL
    divergence of the next tokens from F16's, the share of positions with another likeliest token, and whether the
    tokenizer gives each text back. Exits with 1 if a tokenizer does not, or cuts a text into other tokens than the
    reference does.

    Example:

      so8t-ab gguf verify results/ab_test_results/*/models
    """
    need_extras(["so8t_evaluator"])
    chosen = _files(files)
    with shown("verify", "quantized files against F16") as (progress, stop):
        found: Verification = named("so8t_engines.verify:verify")(chosen, reference, _stoppable(progress, stop))
    from so8t_shared.json_files import write_json
    from so8t_shared.results.verification import VERIFICATION_FILE
    from so8t_shared.terminal.gguf_text import verification_lines

    target = chosen[0].parent / VERIFICATION_FILE
    write_json(target, found)
    _print(found, [*verification_lines(found), f"written: {visible(str(target))}"], as_json=as_json)
    if not found.sound:
        raise typer.Exit(_DIFFERENT)


def _files(given: list[Path]) -> list[Path]:
    """The files; a folder's GGUF files in order of name."""
    found = [file for path in given for file in (sorted(path.glob("*.gguf")) if path.is_dir() else [path])]
    if not found:
        raise InputError(
            "There are no GGUF files.",
            where=", ".join(map(str, given)),
            remedy="name files, or a folder with *.gguf in it",
        )
    return list(dict.fromkeys(found))


def _stoppable(progress: Progress, stop: StopSignal) -> Progress:
    def report(done: int, total: int, message: str) -> None:
        progress(done, total, message)
        stop.check()

    return report


def _print(found: Document, lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), indent=2) + "\n")
        return
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
