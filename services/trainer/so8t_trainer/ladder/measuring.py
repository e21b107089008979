"""Log-probabilities of labels, next token and end of turn, from a causal language model of transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from so8t_shared.labels import LABELS
from so8t_shared.ladders.measured import Measured
from so8t_trainer.ladder.tree import Asked, Places, Tree, passes, planted

_TOKENS = 4096
"""Of the prompts of one pass; what they share is computed once, so that a pass is much shorter."""

OnRows = Callable[[int], None]


def long_above(config: Any) -> int | None:
    """Tokens above which a sequence gets other rotary factors, and with it all rows of its pass."""
    rope = getattr(config, "rope_parameters", None) or {}
    return rope.get("original_max_position_embeddings") if rope.get("rope_type") == "longrope" else None


def measure(model: Any, rows: Sequence[Asked], on_rows: OnRows = lambda count: None) -> Measured:
    """Measure rows; `on_rows` receives the number that is done after each pass, and may raise to stop."""
    logprobs, end = np.full((len(rows), len(LABELS)), np.nan), np.full(len(rows), np.nan)
    vocabulary: list[Tensor] = []
    with torch.inference_mode():
        for part in passes(rows, _TOKENS, long_above(model.config)):
            first = len(vocabulary)
            tree, places = planted(part)
            predicted = _predicted(model, tree, places)
            for number, (row, place) in enumerate(zip(part, places, strict=True), start=first):
                sums, end[number] = _score(row, place, predicted)
                logprobs[number] = sums
                vocabulary.append(predicted[place.answer].float().cpu())
            on_rows(len(vocabulary))
    return Measured(
        logprobs=logprobs,
        bounds=np.zeros(logprobs.shape, np.bool_),
        likely=torch.stack(vocabulary).numpy(),
        ids=np.zeros((len(rows), 0), np.int32),
        texts=np.zeros((len(rows), 0), np.str_),
        end=end,
        prompts=[row.prompt for row in rows],
        answers=[answer for row in rows for answer in row.answers],
    )


def _predicted(model: Any, tree: Tree, places: Sequence[Places]) -> dict[int, Tensor]:
    """Return log-softmax over the vocabulary after each place that predicts something."""
    wanted = sorted({one for place in places for before in place.before for one in before})
    device = model.device
    kind = model.dtype
    mask = torch.zeros(len(tree.ids), len(tree.ids), dtype=kind).masked_fill_(~tree.visible(), torch.finfo(kind).min)
    given = {
        "input_ids": torch.tensor([tree.ids], device=device),
        "position_ids": torch.tensor([tree.positions], device=device),
        "attention_mask": mask[None, None].to(device),
    }
    logits = model(**given, use_cache=False, logits_to_keep=torch.tensor(wanted, device=device)).logits[0]
    return dict(zip(wanted, torch.log_softmax(logits.float(), dim=-1), strict=True))


def _score(row: Asked, place: Places, predicted: dict[int, Tensor]) -> tuple[list[float], float]:
    """Return the labels' log-probabilities, and that of the end of the turn after the correct answer."""
    sums = []
    end = float("nan")
    for number, (tail, before, length) in enumerate(zip(row.tails, place.before, row.lengths, strict=True)):
        each = [float(predicted[one][token].double()) for one, token in zip(before, tail, strict=True)]
        sums.append(sum(each[:length]))
        if number == row.gold:
            end = each[-1]
    return sums, end
