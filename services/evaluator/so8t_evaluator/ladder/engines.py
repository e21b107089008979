"""Measures GGUF files, as a program sees them that knows nothing but the file: its template, its tokenizer, its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from so8t_engines.divergence import LIKELY
from so8t_engines.embedded.devices import gpus
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.rows import PROBES
from so8t_shared.labels import LABELS
from so8t_shared.ladders.measured import Measured
from so8t_shared.ladders.orders import RungOrder
from so8t_shared.models.chat import Chat
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.prompts import final_answer, neutralise_markers
from so8t_shared.progress import Progress
from so8t_shared.results.ladder import RungRecord
from so8t_shared.results.training import LabeledRow


def measure_file(order: RungOrder, progress: Progress) -> None:
    """Measure a file in llama.cpp.

    Raises:
        InputError, IntegrityError: it cannot be loaded.
        EngineError: the engine died.
    """
    path, rows = Path(order.model), order.labeled_rows()
    header = read_header(path)
    chat = chat_of(header)
    prompts = chat.prompts([(row.text, row.before) for row in rows])
    engine = EmbeddedEngine(num_ctx=order.context, threads=order.threads, gpus=[] if order.device == "cpu" else gpus())
    model = ModelFile(order.rung, path, order.sha256, order.context, eos_token=chat.eos_token)
    started = time.perf_counter()
    with engine.load(model, [chat.prompt(text) for text in PROBES]) as loaded:
        load_seconds, begun = time.perf_counter() - started, time.perf_counter()

        def ask(number: int) -> dict[str, Any] | None:
            progress(number, len(rows), "")
            correct = LABELS.index(rows[number].label)
            likely = min(LIKELY, header.vocabulary_size)
            return loaded.measure(prompts[number], answers_of(rows[number], chat, order.end_of_turn), correct, likely)

        found = [ask(number) for number in range(len(rows))]
        progress(len(rows), len(rows), "")
    known = [one for one in found if one is not None]
    record = RungRecord(
        rung=order.rung,
        key=order.keys[order.rung],
        arrays_sha256="",
        program=f"llama.cpp (xllamacpp {engine.version})",
        rows=[row.id for row in rows],
        prompts=prompts,
        left_out=[row.id for row, one in zip(rows, found, strict=True) if one is None],
        ends_turn=all(one["ends_turn"] for one in known) if known else None,
        file_type=header.file_type or "",
        longest_tokens=max((len(one["prompt"]) + max(map(len, one["answers"])) for one in known), default=0),
        load_seconds=load_seconds,
        seconds=time.perf_counter() - begun,
        peak_memory_bytes=max((one["peak_memory_bytes"] for one in known), default=None),
    )
    _measured(found).save(Path(order.folder), record)


def answers_of(row: LabeledRow, chat: Chat, end_of_turn: str) -> list[str]:
    """Return the row's answer with each label, as it was trained."""
    thinking = {name: neutralise_markers(text, chat.markers) for name, text in row.thinking.items()}
    return [final_answer(label, thinking) + end_of_turn for label in LABELS]


def _measured(found: Sequence[dict[str, Any] | None]) -> Measured:
    """Return the answers as arrays; NaN for rows that do not fit."""
    rows = len(found)
    known = next((one for one in found if one is not None), None)
    count, texts = (len(known["ids"]), len(known["texts"])) if known else (0, 0)
    return Measured(
        logprobs=_filled(found, "logprobs", len(LABELS), np.float64, np.nan),
        bounds=np.zeros((rows, len(LABELS)), np.bool_),
        likely=_filled(found, "likely", count, np.float32, np.nan),
        ids=_filled(found, "ids", count, np.int32, -1),
        texts=np.array([one["texts"] if one else [""] * texts for one in found], np.str_).reshape(rows, texts),
        end=np.array([one["end"] if one else np.nan for one in found]),
        prompts=[one["prompt"] if one else [] for one in found],
        answers=[answer for one in found for answer in (one["answers"] if one else [[]] * len(LABELS))],
    )


def _filled(found: Sequence[dict[str, Any] | None], name: str, width: int, kind: Any, missing: float) -> Any:
    return np.array([one[name] if one else [missing] * width for one in found], kind).reshape(len(found), width)
