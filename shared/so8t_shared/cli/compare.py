"""`so8t-ab compare`: the verdict, the rates and the gate for answers from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.config.load import load_test_settings
from so8t_shared.distribution import need_extras
from so8t_shared.errors import ConfigError, GateRefused
from so8t_shared.escapes import visible
from so8t_shared.stages import BY_NAME
from so8t_shared.tables import readers
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out, say

_KEYS = tuple(key.removeprefix("ab_test.") for key in BY_NAME["conclude"].reads)


def compare(
    left: Annotated[Path, typer.Argument(metavar="LEFT", help="Answers of A.")],
    right: Annotated[Path, typer.Argument(metavar="RIGHT", help="Answers of B to the same rows, in any order.")],
    gate: Annotated[
        Path | None,
        typer.Option("--gate", help="YAML file with clauses, as in ab_test.gate; by default, its defaults."),
    ] = None,
    overrides: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="KEY=VALUE", help=f"Override one key: --set test=mid_p. Keys: {', '.join(_KEYS)}."
        ),
    ] = [],  # noqa: B006 - typer's way to say "none given"
    reader: Annotated[
        str,
        typer.Option("--reader", help=f"{', '.join(readers.BY_NAME)}; by default, the content decides."),
    ] = "",
    fields: Annotated[
        list[str],
        typer.Option(
            "--field",
            metavar="KEY=PATH",
            help="Where to find one of these keys: --field gold=doc.label.",
        ),
    ] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare answers that are already there, without a model.

    Each line of a file is an object with id, gold and predicted (a class, or null), and optionally group, language,
    category, logprobs. Logs of lm-eval, inspect_ai and promptfoo are read, too. Exits with 10 unless B passes the gate.

    Examples:

      so8t-ab compare a.jsonl b.jsonl

      so8t-ab compare a.eval b.eval --field gold=metadata.label --gate gate.yaml --json
    """
    if reader and reader not in readers.BY_NAME:
        known = ", ".join(readers.BY_NAME)
        raise ConfigError(f"There is no reader named {reader!r}.", where="--reader", remedy=f"use one of {known}")
    paths = dict(map(_field, fields))
    settings = load_test_settings(gate, overrides, _KEYS)
    need_extras(["so8t_evaluator"])
    compare_files = named("so8t_evaluator.compare.judging:compare_files")
    result = compare_files(left, right, settings, reader=reader, fields=paths)
    if as_json:
        say(json.dumps(result.model_dump(mode="json"), indent=2) + "\n")
    else:
        from so8t_shared.terminal.compare_table import compare_tables  # slow: loads the models of all results

        out.print(compare_tables(result))
    if result.gate.result != "pass":
        raise GateRefused(
            f"The gate does not let B ship: {result.gate.result}.",
            where=visible(str(gate or "the default gate")),
            remedy="see its clauses; one that is undecided needs more rows, or rows in more groups",
        )


def _field(text: str) -> tuple[str, str]:
    key, _, path = text.partition("=")
    if key not in readers.KEYS or not path:
        remedy = f"write KEY=PATH with one of {', '.join(readers.KEYS)}, such as gold=doc.label"
        raise ConfigError(f"{text!r} names no field.", where="--field", remedy=remedy)
    return key, path
