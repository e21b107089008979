"""`so8t-ab answers`: what the models said, row by row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from so8t_shared.cli.common import ConfigOption, SetOption, Workspace, no_session, open_workspace, print_notes
from so8t_shared.errors import InputError
from so8t_shared.escapes import visible
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.models.turns import shown_turns
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import LabeledRow
from so8t_shared.sessions.outputs import output_of
from so8t_shared.sessions.session import find_session, read_record
from so8t_shared.tables import quantizations, scorings
from so8t_shared.terminal.console import out, say

Answered = dict[str, Sample]
"""Both models' answers to one row in one setting, by side."""


@dataclass(frozen=True)
class Wanted:
    """Which answers to show; an empty name means any."""

    model: str = ""
    gold: str = ""
    predicted: str = ""
    quantization: str = ""
    scoring: str = ""
    wrong: bool = False
    unread: bool = False

    def has(self, answered: Answered) -> bool:
        """Whether the row, and the answer of the chosen model or of either, are wanted."""
        sample = next(iter(answered.values()))
        place = ((self.gold, sample.gold), (self.quantization, sample.quantization), (self.scoring, sample.scoring))
        asked = [s for side, s in answered.items() if self.model in {"", side}]
        return all(name in {"", found} for name, found in place) and any(map(self._says, asked))

    def _says(self, sample: Sample) -> bool:
        return (
            self.predicted in {"", sample.predicted}
            and not (self.wrong and sample.predicted == sample.gold)
            and not (self.unread and sample.predicted != INVALID)
        )


def _one_of(names: Iterable[str], change: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    """A check of an option's value, which may be in any case."""
    known = list(names)

    def check(value: str) -> str:
        if change(value) not in {"", *known}:
            raise typer.BadParameter(f"use one of {', '.join(known)}")
        return change(value)

    return check


def answers(
    config: ConfigOption,
    session: Annotated[str, typer.Argument(envvar="SO8T_SESSION", help="By default the configuration's session.")] = "",
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    model: Annotated[
        str, typer.Option("--model", callback=_one_of(SIDES), help="a or b: the other options are about its answers.")
    ] = "",
    gold: Annotated[
        str, typer.Option("--gold", callback=_one_of(LABELS, str.upper), help="Only rows of this class.")
    ] = "",
    predicted: Annotated[
        str,
        typer.Option(
            "--predicted",
            callback=_one_of([*LABELS, INVALID], str.upper),
            help="Only answers of this class, or INVALID.",
        ),
    ] = "",
    quantization: Annotated[
        str, typer.Option("--quantization", callback=_one_of(quantizations.ORDER), help="Only this quantization.")
    ] = "",
    scoring: Annotated[
        str, typer.Option("--scoring", callback=_one_of(scorings.ORDER), help="Only this scoring.")
    ] = "",
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong answers.")] = False,
    unread: Annotated[bool, typer.Option("--unread", help="Only answers without a class.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Most rows shown; 0 shows all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Print what the models said, with the correct class.

    For each row in each setting: both models' classes, the request with its system prompt and earlier turns, and what
    they wrote outside their thinking.
    """
    workspace = open_workspace(config, overrides)
    if session:
        read_record(workspace.store, session)
    session_id = session or find_session(workspace.store, workspace.config)
    if not session_id:
        raise no_session(workspace)
    wanted = Wanted(model, gold, predicted, quantization, scoring, wrong, unread)
    found = [answered for answered in _answered(workspace, session_id) if wanted.has(answered)]
    shown = found[: limit or None]
    rows = _rows(workspace, session_id) if shown else {}
    show = _print_json if as_json else _print
    for answered in shown:
        show(answered, rows.get(next(iter(answered.values())).row_id), model)
    if len(shown) < len(found):
        print_notes([f"{len(shown):,} of {len(found):,} rows; --limit 0 shows all"])


def _answered(workspace: Workspace, session_id: str) -> Iterable[Answered]:
    folder = output_of(workspace.store, session_id, "evaluate", "samples.jsonl")
    if folder is None:
        raise InputError(
            "evaluate has not finished in this session.",
            where=f"session {session_id} in {workspace.store.location}",
            remedy="finish it with 'so8t-ab run'; 'so8t-ab status' shows how far it is",
        )
    found: dict[tuple[str, str, str], Answered] = {}
    for sample in Sample.read_lines(folder / "samples.jsonl"):
        found.setdefault((sample.quantization, sample.scoring, sample.row_id), {})[sample.model] = sample
    return found.values()


def _rows(workspace: Workspace, session_id: str) -> dict[str, LabeledRow]:
    """The tested rows by id; empty if the training data is no longer in the store."""
    folder = output_of(workspace.store, session_id, "train", "splits/test.jsonl")
    return {row.id: row for row in LabeledRow.read_lines(folder / "splits/test.jsonl")} if folder else {}


def _print(answered: Answered, row: LabeledRow | None, model: str) -> None:
    sample = next(iter(answered.values()))
    classes = "  ".join(f"{side.upper()}: {_class(each)}" for side, each in sorted(answered.items()))
    _line(f"{sample.row_id}  {sample.quantization} {sample.scoring}  correct: {sample.gold}  {classes}")
    for role, text in shown_turns(row.before) if row else []:
        _block(role, text or "(nothing outside its thinking)")
    _block("request", row.text if row else "")
    for side, each in sorted(answered.items()):
        if model in {"", side}:
            _block(f"{side.upper()} wrote", each.text or "(nothing kept)")


def _class(sample: Sample) -> str:
    rescued = sample.predicted == INVALID != sample.lenient
    return f"{sample.predicted} (leniently {sample.lenient})" if rescued else sample.predicted


def _block(name: str, text: str) -> None:
    for number, line in enumerate(text.split("\n") if text else []):
        _line(f"  {f'{name}:' if name and not number else '':<9} {visible(line)}")


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _print_json(answered: Answered, row: LabeledRow | None, model: str) -> None:
    del model  # a program picks what it needs
    sample = next(iter(answered.values()))
    place: dict[str, Any] = sample.model_dump(include={"row_id", "quantization", "scoring", "gold"})
    place["request"] = row.text if row else ""
    place["turns"] = [{"role": role, "content": text} for role, text in (shown_turns(row.before) if row else [])]
    own = {"model", "reused", *place}
    sides = {side: each.model_dump(exclude=own) for side, each in sorted(answered.items())}
    say(json.dumps({**place, **sides}) + "\n")  # escapes all but ASCII, so it is safe for a terminal
