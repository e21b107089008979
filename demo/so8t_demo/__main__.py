"""`python -m so8t_demo inputs|model|dataset --out FOLDER`: create the demo's inputs; safe to repeat."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from so8t_shared.distribution import need_extras
from so8t_shared.errors import So8tError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.what != "dataset":
            need_extras(["so8t_demo"])
        for line in _make(arguments):
            print(line, flush=True)
    except So8tError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    return 0


def _make(arguments: argparse.Namespace) -> Iterator[str]:
    out: Path = arguments.out
    if arguments.what == "inputs":
        yield _model(out / "model")
        yield _dataset(out / "data", arguments.seed)
        yield _configuration(out)
    else:
        yield _model(out) if arguments.what == "model" else _dataset(out, arguments.seed)


def _model(out: Path) -> str:
    from so8t_demo.model import export_model

    return f"{out}: SmolLM2-135M-Instruct {'written' if export_model(out) else 'already exists'}"


def _dataset(out: Path, seed: int) -> str:
    from so8t_demo.dataset import write_dataset

    summary = write_dataset(out, seed)
    state = "written" if summary.changed else "already exist"
    return f"{out}: {summary.train} training and {summary.test} test rows {state}"


def _configuration(folder: Path) -> str:
    from so8t_demo.configuration import write_configuration

    return f"{write_configuration(folder)}: the demo's configuration"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="so8t_demo", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    inputs = commands.add_parser("inputs", help="all inputs of the demo: model, data set, configuration")
    model = commands.add_parser("model", help="SmolLM2-135M-Instruct as a Hugging Face folder")
    dataset = commands.add_parser("dataset", help="four-class safety rows in English and Japanese")
    for command in (inputs, model, dataset):
        command.add_argument("--out", type=Path, required=True, help="folder to write")
    for command in (inputs, dataset):
        command.add_argument(
            "--seed", type=int, default=17, help="seed for filling the templates with words (default 17)"
        )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
