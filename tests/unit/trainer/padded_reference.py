"""The plain way to train on a batch: every row whole, padded to the longest, PET row by row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from so8t_trainer.encode import EncodedRow
from so8t_trainer.model import Trainee

IGNORED = -100


def padded_batch(rows: Sequence[EncodedRow]) -> tuple[Tensor, Tensor, Tensor]:
    """input_ids, attention_mask and labels (-100 on prompt and padding), each [rows, longest]."""
    longest = max(row.length for row in rows)
    ids, mask, labels = [], [], []
    for row in rows:
        padding = longest - row.length
        ids.append([*row.prompt, *row.completion, *[0] * padding])
        mask.append([1] * row.length + [0] * padding)
        labels.append([*[IGNORED] * len(row.prompt), *row.completion, *[IGNORED] * padding])
    return torch.tensor(ids), torch.tensor(mask), torch.tensor(labels)


def padded_objective(subject: Trainee, rows: Sequence[EncodedRow]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each completion token and summed PET, as `loop.objective` has them."""
    ids, mask, labels = padded_batch(rows)
    subject.causal_lm.set_attn_implementation("sdpa")
    output = subject.causal_lm(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True)
    logits, targets = output.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    loss = cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    return loss[targets != IGNORED], naive_pet(output.hidden_states[-1], [row.length for row in rows])


def naive_pet(hidden: Tensor, lengths: list[int]) -> Tensor:
    """Sum over rows and t of mean_d (h[t+2] - 2 h[t+1] + h[t])^2, by the definition."""
    total = torch.zeros(())
    for states, length in zip(hidden, lengths, strict=True):
        for t in range(length - 2):
            total = total + (states[t + 2] - 2 * states[t + 1] + states[t]).pow(2).mean()
    return total
