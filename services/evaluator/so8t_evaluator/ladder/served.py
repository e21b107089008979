"""Measures a model as an Ollama server has it: its template there, its weights, its settings. Nothing there is changed.

The server shows texts of the 20 likeliest tokens and no ids. So the KL divergence is over those and the rest, a label
beyond them has an upper bound, and of a prompt's tokens only their number is known. Prompt and answer are one text to
it; where that gives other tokens, the row's decision is left open.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.generation import BATCH_TOKENS, TOP_LOGPROBS
from so8t_engines.ollama.models import replaced
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import Completion, ModelFile, Options, Outcome, Question, Served
from so8t_evaluator.gguf_header import says_bos
from so8t_evaluator.rows import PROBES
from so8t_evaluator.scoring import CHOICES
from so8t_shared.labels import LABELS
from so8t_shared.ladders.measured import Measured
from so8t_shared.ladders.orders import RungOrder
from so8t_shared.models.chat import Chat
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.prompts import build_messages, neutralise_markers
from so8t_shared.models.served import ServedModel, find_served, quantization_of
from so8t_shared.models.thinking import written
from so8t_shared.ollama_http import ask
from so8t_shared.progress import Progress
from so8t_shared.results.ladder import RungRecord
from so8t_shared.results.training import LabeledRow

_RETRY_S = 60.0
_ANSWER_S = 900.0
_LONGEST_ANSWER_TOKENS = 32
_ENDS_TRIED = 8
"""Rows after whose correct answer the model is asked to go on."""


def measure_served(order: RungOrder, progress: Progress) -> None:
    """Measure a model on a server, which it had before.

    Raises:
        InputError, IntegrityError: it is no longer there, or another one.
        ServerError: the server does not answer.
    """
    path, rows = Path(order.model), order.labeled_rows()
    chat, served = chat_of(read_header(path)), find_served(order.served, order.server)
    if served.digest != order.sha256:
        raise replaced(order.served, order.server)
    # by the server's file, not by ours: a beginning that the template writes, too, is then there twice, as for a user
    beginning = chat.bos_token if says_bos(served.shown().get("model_info") or {}) else ""
    progress(0, len(rows), "rendering")
    prompts = [beginning + served.rendered(build_messages(row.text, chat.markers, row.before)) for row in rows]
    probes = [beginning + served.rendered(build_messages(text, chat.markers)) for text in PROBES]
    thoughts = [_thought(row, chat) for row in rows]

    engine = OllamaEngine(OllamaServer(order.server, retry_s=_RETRY_S), num_ctx=order.context, threads=order.threads)
    model = ModelFile(
        name=order.served,
        path=path,
        sha256=order.sha256,
        context_length=order.context,
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
        served=Served(served.digest, served.size_bytes),
    )
    options = Options(max_tokens=_LONGEST_ANSWER_TOKENS, seed=0, choices=CHOICES, score=True)
    asked = [Question(prompt + thought, options) for prompt, thought in zip(prompts, thoughts, strict=True)]
    found: list[Outcome] = []
    started = time.perf_counter()
    with engine.load(model, probes) as loaded:
        load_seconds, begun = time.perf_counter() - started, time.perf_counter()
        for outcome in loaded.complete_many(asked):
            found.append(outcome)
            progress(len(found), len(rows), "")
        seconds = time.perf_counter() - begun
        texts = {
            row.id: question.prompt.removeprefix(beginning) + CHOICES[LABELS.index(row.label)]
            for question, row, outcome in zip(asked, rows, found, strict=True)
            if isinstance(outcome, Completion) and not outcome.merged
        }
        ends, ended = _ends(served, dict(islice(texts.items(), _ENDS_TRIED)), order)
    known = [one for one in found if isinstance(one, Completion)]
    record = RungRecord(
        rung=order.rung,
        key=order.keys[order.rung],
        arrays_sha256="",
        program=f"Ollama {engine.version}",
        rows=[row.id for row in rows],
        prompts=prompts,
        prompt_tokens=[
            one.prompt_tokens if isinstance(one, Completion) and not thought else 0
            for one, thought in zip(found, thoughts, strict=True)
        ],
        left_out=[row.id for row, one in zip(rows, found, strict=True) if not isinstance(one, Completion)],
        ends_turn=ends,
        ended=ended,
        file_type=quantization_of(served.shown()).upper(),
        longest_tokens=max((one.prompt_tokens for one in known), default=0),
        load_seconds=load_seconds,
        seconds=seconds,
        peak_memory_bytes=max((one.peak_memory_bytes or 0 for one in known), default=None),
    )
    _measured(found).save(Path(order.folder), record)


def _thought(row: LabeledRow, chat: Chat) -> str:
    """The row's thinking, which precedes its label, as text of the prompt."""
    return written({name: neutralise_markers(text, chat.markers) for name, text in row.thinking.items()})


def _ends(served: ServedModel, texts: Mapping[str, str], order: RungOrder) -> tuple[bool | None, dict[str, bool]]:
    """Whether the model's end of turn ends an answer by the settings it has there, and each row's answer.

    None if it never wrote one.
    """
    options = {"num_predict": 1, "temperature": 0, "top_k": 1, "num_ctx": order.context, "num_batch": BATCH_TOKENS}
    if order.threads:
        options["num_thread"] = order.threads
    ended = {}
    for row, text in texts.items():
        body = {
            "model": served.name,
            "prompt": text,
            "raw": True,
            "stream": False,
            "logprobs": True,
            "options": options,
        }
        answer = ask(served.address, "/api/generate", body, _ANSWER_S)
        wrote = "".join(step["token"] for step in answer.get("logprobs") or [])
        if wrote == order.end_of_turn:
            return False, {}
        ended[row] = answer.get("done_reason") == "stop" and not answer.get("response")
    return True if any(ended.values()) else None, ended


def _measured(found: Sequence[Outcome]) -> Measured:
    """Return the answers as arrays; NaN for rows that do not fit."""
    rows = len(found)
    logprobs, bounds = np.full((rows, len(LABELS)), np.nan), np.zeros((rows, len(LABELS)), np.bool_)
    likely = np.full((rows, TOP_LOGPROBS), -np.inf, np.float32)
    texts = np.full((rows, TOP_LOGPROBS), "", f"<U{_longest_text(found)}")
    for number, one in enumerate(found):
        if not isinstance(one, Completion):
            continue
        logprobs[number], bounds[number] = one.logprobs, True if one.merged else one.bounds or False
        if one.merged:
            likely[number] = np.nan
            continue
        shown = sorted((one.likely or {}).items(), key=lambda pair: -pair[1])[:TOP_LOGPROBS]
        texts[number, : len(shown)] = [text for text, _ in shown]
        likely[number, : len(shown)] = [value for _, value in shown]
    return Measured(
        logprobs=logprobs,
        bounds=bounds,
        likely=likely,
        ids=np.zeros((rows, 0), np.int32),
        texts=texts,
        end=np.full(rows, np.nan),
    )


def _longest_text(found: Sequence[Outcome]) -> int:
    shown = [text for one in found if isinstance(one, Completion) for text in one.likely or {}]
    return max(map(len, shown), default=1) or 1
