"""Faults of the answers of other files of model B, in an unpacked evidence bundle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path

from so8t_evaluator.alternatives.asking import to_compare
from so8t_evaluator.answer_faults import classes, same_rows
from so8t_shared.config.model import Config
from so8t_shared.results.alternatives import ALTERNATIVE_ANSWERS_FILE, ALTERNATIVES_FILE, SCORING, Compared, FileAnswer
from so8t_shared.results.bundle import BundleFault
from so8t_shared.results.registry import REGISTRY_FILE, Registry
from so8t_shared.results.training import LabeledRow

_COMPARED, _ANSWERS = (f"evaluate/{name}" for name in (ALTERNATIVES_FILE, ALTERNATIVE_ANSWERS_FILE))


def compared_otherwise(folder: Path, config: Config) -> Iterator[BundleFault]:
    """Yield what does not fit the configuration: the files, the rows that they were asked, their classes."""
    there = [name for name in (_COMPARED, _ANSWERS) if (folder / name).is_file()]
    if len(there) != (2 if config.gguf.alternatives else 0):
        yield BundleFault(where=_COMPARED, what="it does not fit the configuration's gguf.alternatives")
    if len(there) < 2 or not config.gguf.alternatives:
        return
    files, answers = Compared.read(folder / _COMPARED).files, FileAnswer.read_lines(folder / _ANSWERS)
    expected = [(name, each.quantization, each.imatrix) for name, each in to_compare(config.gguf)]
    if [(file.name, file.quantization, file.imatrix) for file in files] != expected:
        yield BundleFault(where=_COMPARED, what="these are not the files that were to be compared")
        return
    primary = (files[0].quantization, files[0].sha256)
    imported = Registry.read(folder / "import" / REGISTRY_FILE).models
    if primary not in [(model.quantization, model.sha256) for model in imported if model.model == "b"]:
        yield BundleFault(where=f"{_COMPARED}: files[0]", what="this is not the file that was imported")
    rows = {row.id: row for row in LabeledRow.read_lines(folder / "train/splits/validation.jsonl")}
    by_file = {name: list(given) for name, given in groupby(answers, lambda answer: answer.file)}
    if list(by_file) != [file.name for file in files]:
        yield BundleFault(where=_ANSWERS, what="it has answers of other files, or in another order")
        return
    yield from chain.from_iterable(same_rows(rows, by_file[name], _ANSWERS, name) for name in by_file)
    asked = {file.name: ("b", file.quantization, SCORING) for file in files}
    for answer in answers:
        if (answer.model, answer.quantization, answer.scoring) != asked[answer.file]:
            yield BundleFault(where=f"{_ANSWERS}: {answer.file}, row {answer.row_id}", what="another file gave it")
    yield from classes(answers, _ANSWERS, texts=True)
