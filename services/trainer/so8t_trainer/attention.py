"""Attention over packed rows: the prefix attends to itself, each row to the prefix and itself.

Registered by name with transformers, so every architecture that dispatches its attention there
(Llama, Qwen2, Phi-3, Mistral, ...) can use it. Rows are attended one by one, so the cost is the sum of
own x (prefix + own) over the rows, without padding. On a CPU a call per row is also faster than a
padded one for all, even for rows of 20 tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from so8t_trainer.packing import PackedRows

NAME = "so8t_packed_rows"


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 - part of the interface; `rows` determines visibility
    *,
    rows: PackedRows,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Return attention output [1, T, heads, d] for query [1, heads, T, d] and key, value [1, kv heads, T, d].

    `rows` is passed to the model's forward call and describes the T tokens.
    """
    options: dict[str, Any] = {"scale": scaling, "dropout_p": dropout if module.training else 0.0}
    if query.device.type == "cpu":  # where the backward pass takes three times as long in 16 bits
        query, key, value, kind = query.float(), key.float(), value.float(), query.dtype
        with torch.autocast("cpu", enabled=False):
            return _attended(query, key, value, rows, **options).to(kind), None
    return _attended(query, key, value, rows, **options), None


def _attended(query: Tensor, key: Tensor, value: Tensor, rows: PackedRows, **options: Any) -> Tensor:
    sizes = [rows.prefix, *rows.lengths]
    shared, *parts = zip(*(_compact(x).split(sizes, dim=2) for x in (query, key, value)), strict=True)
    if rows.visible is None:
        outputs = [_attend(*part, is_causal=True, **options) for part in parts]
    else:
        # copies, because a view would keep the keys and values of all tokens for the backward pass
        first = [shared[0], *(x.contiguous() for x in shared[1:])]
        outputs = [_attend(*first, is_causal=True, **options)]
        for q, *own in parts:
            k, v = (torch.cat(both, dim=2) for both in zip(first[1:], own, strict=True))
            outputs.append(_attend(q, k, v, attn_mask=rows.visible[: q.shape[2], : k.shape[2]], **options))
    return torch.cat([output.transpose(1, 2) for output in outputs], dim=1)


def _attend(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
    """Return attention output [1, heads, t, d]; each key and value head serves heads / kv heads query heads."""
    serves = query.shape[1] // key.shape[1]
    if serves > 1 and query.is_cuda:  # with a mask, or in fp32, only the kernel that keeps all scores takes such heads
        key, value, serves = (*(x.repeat_interleave(serves, dim=1) for x in (key, value)), 1)
    return scaled_dot_product_attention(query, key, value, enable_gqa=serves > 1, **options)


def _compact(x: Tensor) -> Tensor:
    """Return x without the rest of its storage: a slice of a fused projection would keep all of it for backward."""
    return x.contiguous() if x.untyped_storage().nbytes() > x.nbytes else x


AttentionInterface.register(NAME, packed_attention)
