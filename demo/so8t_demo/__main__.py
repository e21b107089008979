"""`python -m so8t_demo model|dataset --out FOLDER`: make what the demo works on; again is harmless."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from so8t_shared.errors import So8tError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        print(_model(arguments.out) if arguments.what == "model" else _dataset(arguments.out, arguments.seed))
    except So8tError as error:
        print("\n".join(error.lines()), file=sys.stderr)
        return error.exit_code
    return 0


def _model(out: Path) -> str:
    from so8t_demo.model import export_model

    return f"{out}: SmolLM2-135M-Instruct {'written' if export_model(out) else 'is there already'}"


def _dataset(out: Path, seed: int) -> str:
    from so8t_demo.dataset import write_dataset

    summary = write_dataset(out, seed)
    state = "written" if summary.changed else "are there already"
    return f"{out}: {summary.train} training and {summary.test} test rows {state}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="so8t_demo", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    model = commands.add_parser("model", help="SmolLM2-135M-Instruct as a Hugging Face folder")
    dataset = commands.add_parser("dataset", help="four-class safety rows in English and Japanese")
    for command in (model, dataset):
        command.add_argument("--out", type=Path, required=True, help="folder to write")
    dataset.add_argument("--seed", type=int, default=17, help="decides which words fill which template (default 17)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
