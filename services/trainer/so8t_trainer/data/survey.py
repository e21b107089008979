"""Looks at data as a run would, without one: what is there, what is not used, what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from so8t_shared.config.model import Config, Dataset
from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.room import answer_tokens, context_tokens
from so8t_shared.results.data_check import CheckedFile, DataCheck, DataFault, TokenNeeds
from so8t_shared.results.training import LabeledRow
from so8t_shared.splits import sides_of_paths
from so8t_trainer.data.faults import by_kind
from so8t_trainer.data.policy import apply_policy, declared_source
from so8t_trainer.data.prepare import by_label, reasoning_fields, unused_fields, words_for_labels
from so8t_trainer.data.read import Reader, SourceRows
from so8t_trainer.data.rows import Row
from so8t_trainer.data.split import Split, split_rows


def survey(config: Config, model: Path | None = None) -> tuple[DataCheck, list[LabeledRow]]:
    """Return what is known about the rows of `dataset.paths`, and the rows that a test would ask.

    With `model`, a checkpoint folder, also what the rows need in its tokens. Faults are part of what is returned.

    Raises:
        InputError: the model's tokenizer cannot be used.
    """
    reader = Reader.of(config.dataset)
    files, rows, notes = _read(config, reader)
    split, excluded, refused = _split(rows, config) if rows else (None, Counter[str](), "")
    sides = _sides(split)
    check = DataCheck(
        files=files,
        rows=len(rows),
        **_counts(rows),
        reasoning=reasoning_fields(rows),
        unused=unused_fields(rows),
        label_words=words_for_labels(rows),
        faults=[
            DataFault(what=kind.what, places=kind.places, count=kind.count, remedy=kind.remedy)
            for kind in by_kind(reader.faults)
        ],
        sides={side: by_label(found) for side, found in sides.items()},
        duplicates=split.duplicates if split else 0,
        excluded=dict(sorted((excluded + (split.excluded if split else Counter())).items())),
        groups=split.groups if split else 0,
        refused=refused,
        notes=[*notes, *(split.notes if split else [])],
        tokens=_needs(sides, config, model) if model and sides.get("train") else None,
    )
    return check, sides.get("test", [])


def _read(config: Config, reader: Reader) -> tuple[list[CheckedFile], list[Row], list[str]]:
    """Read all sources; the last value says what a run would ask for besides their rows."""
    files, rows, notes = [], list[Row](), list[str]()
    paths = config.dataset.paths
    for path, side in zip(paths, sides_of_paths(paths), strict=True):
        try:
            source = reader.source(path, side)
        except InputError as error:
            reader.faults.append(error)
            continue
        files.append(CheckedFile(path=path, rows=len(source.rows), shape=source.schema, encoding=source.encoding))
        rows += source.rows
        notes += _undeclared(source, config.dataset)
    reader.demand_columns()
    return files, rows, list(dict.fromkeys(notes))


def _undeclared(source: SourceRows, settings: Dataset) -> list[str]:
    """Why a run would not train on a source, for its license; a check of rows needs none."""
    try:
        declared_source(source, settings.source, settings.policy)
    except InputError as error:
        return [f"for a run: {_sentence(error)}"]
    return []


def _sentence(error: InputError) -> str:
    return f"{error.what} To do: {error.remedy}."


def _counts(rows: Sequence[Row]) -> dict[str, Any]:
    groups = Counter(row.group for row in rows if row.group)
    earlier = [{role for role, _ in row.turns} for row in rows]
    return {
        "by_label": by_label(rows),
        "by_language": dict(sorted(Counter(row.language for row in rows).items())),
        "marked": dict(sorted(Counter(row.split for row in rows if row.split).items())),
        "named_groups": len(groups),
        "largest_group": max(groups.values(), default=0),
        "thinking": dict(Counter(role for row in rows for role in row.thinking)),
        "with_system": sum("system" in roles for roles in earlier),
        "with_turns": sum(bool(roles - {"system"}) for roles in earlier),
    }


def _split(rows: list[Row], config: Config) -> tuple[Split | None, Counter[str], str]:
    """Apply the policy and split as a run does; the last value says why it cannot."""
    kept, excluded = apply_policy(rows, config.dataset.policy)
    try:
        return split_rows(kept, config.dataset), excluded, ""
    except InputError as error:
        return None, excluded, _sentence(error)


def _sides(split: Split | None) -> dict[str, list[LabeledRow]]:
    if split is None:
        return {}
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    return {side: [row.exported() for row in rows] for side, rows in sides.items()}


def _needs(sides: dict[str, list[LabeledRow]], config: Config, model: Path) -> TokenNeeds:
    from so8t_trainer.encode import load_encoder

    encoder = load_encoder(model)
    encoded = list(encoder.encode_all(sides["train"]))
    prompts = [len(row.prompt) for row in encoded]
    prompts += [len(prompt) for side in ("validation", "test") for prompt in encoder.prompts(sides[side])]
    answer = max(len(row.completion) for row in encoded)
    context = read_json(model / "config.json").get("max_position_embeddings")
    return TokenNeeds(
        longest_prompt=max(prompts),
        longest_answer=answer,
        longest_row=max(row.length for row in encoded),
        max_length=config.training.max_length,
        too_long=sum(row.length > config.training.max_length for row in encoded),
        max_new_tokens=answer_tokens(config.ab_test, answer),
        num_ctx=context_tokens(config.ab_test, max(prompts), answer),
        model_context=context if isinstance(context, int) else None,
    )
