"""Runs inspect_ai over the rows: python make_inspect.py"""

from __future__ import annotations

from typing import Any

import tiktoken
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelOutput, get_model
from inspect_ai.scorer import choice, includes
from inspect_ai.solver import generate, multiple_choice
from rows import LABELS, ROWS, answer


class _Words:
    def encode(self, text: str, **_: Any) -> list[str]:
        return text.split()


tiktoken.get_encoding = lambda _name: _Words()


def _run(name: str, rows: list[Sample], write: Any, form: str, **settings: Any) -> None:
    def respond(messages: Any, *_: Any) -> ModelOutput:
        return ModelOutput.from_content("mockllm/model", write(messages[-1].text))

    model = get_model("mockllm/model", custom_outputs=respond, memoize=False)
    eval(
        Task(dataset=MemoryDataset(rows), name=name, **settings), model=model, log_dir=f"{name}_{form}", log_format=form
    )


WRITTEN = [
    Sample(id=r["id"], input=r["text"], target=r["label"], metadata={k: r[k] for k in ("group", "language")})
    for r in ROWS
]
CHOICE = [
    Sample(id=r["id"], input=r["text"], choices=LABELS, target="ABCD"[LABELS.index(r["label"])]) for r in ROWS[:4]
]
for side, form in (("a", "eval"), ("b", "eval"), ("b", "json")):
    rows = WRITTEN[:3] if form == "json" else WRITTEN
    _run(
        f"inspect_{side}", rows, lambda text, side=side: answer(text, side), form, solver=generate(), scorer=includes()
    )
_run("inspect_choice", CHOICE, lambda _text: "ANSWER: B", "eval", solver=multiple_choice(), scorer=choice(), epochs=2)
