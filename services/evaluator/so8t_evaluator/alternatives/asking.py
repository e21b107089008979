"""Asks model B's primary file and each alternative the validation rows, one model loaded at a time.

The embedded engine runs them all, whatever `ab_test.engine` is: nothing is put on a server that may never ship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from so8t_engines.choice import open_engine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.answer_key import shelf_digest
from so8t_evaluator.answer_limit import read_targets, with_room
from so8t_evaluator.asking import Candidate, Respondent, ask_all
from so8t_evaluator.evaluating import Inputs
from so8t_evaluator.grid import Count
from so8t_evaluator.importing import read_chat
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.alternatives import Alternative
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.model import Config
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.places import gguf_name
from so8t_shared.progress import Progress
from so8t_shared.results.alternatives import (
    ALTERNATIVE_ANSWERS_FILE,
    ALTERNATIVES_FILE,
    PRIMARY,
    SCORING,
    Compared,
    ComparedFile,
    FileAnswer,
    FileName,
)
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.engines import IN_PROCESS


def ask_alternatives(
    config: Config,
    inputs: Inputs,
    rows: list[LabeledRow],
    cache: Shelves,
    progress: Progress,
    output: Path,
    *,
    digests: Mapping[str, str],
    fingerprint: str,
    session: str = "",
) -> None:
    """Write alternatives.json and alternatives.jsonl.

    `progress` is called after every answer and may raise to stop; answers are kept in the `cache`. `digests` has the
    sha256 of each file that convert-b made.

    Raises:
        InputError: a file cannot be loaded.
        EngineError: the engine died.
    """
    config, targets, converted = with_room(config, inputs.splits), read_targets(inputs.splits), inputs.converted["b"]
    settings = config.ab_test.model_copy(update={"engine": IN_PROCESS})
    chat, files = read_chat(converted), list(_files(config.gguf, converted, digests))
    count = Count(len(files) * len(rows), progress)
    engine = open_engine(config.model_copy(update={"ab_test": settings}), count.say, session=session)
    answers: list[FileAnswer] = []
    for file, path in files:
        what = f"{file.quantization} b with a matrix" if file.imatrix else f"{file.quantization} b"
        count.say(what)
        model = ModelFile(
            *(what, path, file.sha256, chat.context_length), bos_token=chat.bos_token, eos_token=chat.eos_token
        )
        candidate = Candidate("b", file.quantization, model, chat, thinks=targets is not None and targets.thinking)
        shelf = cache.shelf(shelf_digest(model, engine))
        respondent = Respondent(candidate, engine, settings, shelf, fingerprint)
        given = ask_all([respondent], rows, [SCORING], count.add_untested)
        answers += [FileAnswer(**sample.model_dump(), file=file.name) for sample in given]
    write_lines(output / ALTERNATIVE_ANSWERS_FILE, answers)
    compared = Compared(engine=f"{engine.name} {engine.version}", files=[file for file, _ in files])
    write_json(output / ALTERNATIVES_FILE, compared)


def to_compare(gguf: Gguf) -> list[tuple[FileName, Alternative]]:
    """Return model B's primary file, then the others, each with its name in the results."""
    primary = gguf.primary_quantization
    own = Alternative(primary, primary, imatrix=gguf.imatrix is not None)
    return [(PRIMARY, own), *((each.name, each) for each in gguf.compared)]


def _files(gguf: Gguf, converted: Path, digests: Mapping[str, str]) -> Iterator[tuple[ComparedFile, Path]]:
    for name, each in to_compare(gguf):
        path = converted / each.folder / gguf_name("b", each.quantization)
        yield (
            ComparedFile(
                name=name,
                quantization=each.quantization,
                imatrix=each.imatrix,
                sha256=digests[path.relative_to(converted).as_posix()],
                size_bytes=path.stat().st_size,
            ),
            path,
        )
