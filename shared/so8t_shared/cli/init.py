"""`so8t-ab init`: a configuration to fill in."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.config.section import PLACEHOLDER
from so8t_shared.errors import InputError
from so8t_shared.files import write_atomically
from so8t_shared.terminal.console import out

TEMPLATE = Path(__file__).parent.parent / "config" / "template.yaml"


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="File to write.", show_default=True)] = Path("my.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a configuration to fill in for your own model.

    Example:

      so8t-ab init my.yaml
    """
    if file.exists() and not force:
        raise InputError("The file already exists.", where=str(file), remedy="name another file, or add --force")
    quoted = shlex.quote(str(file))
    text = TEMPLATE.read_text(encoding="utf-8").replace("-c FILE", f"-c {quoted}")
    write_atomically(file, text.encode())
    open_lines = sum(PLACEHOLDER in line.partition("#")[0] for line in text.splitlines())
    out.print(
        f"{file}: fill in the {open_lines} lines with {PLACEHOLDER}, then: so8t-ab config check -c {quoted}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
