"""Attention over packed rows: the prefix attends to itself, each row to the prefix and itself.

Registered by name with transformers, so every architecture that dispatches its attention there
(Llama, Qwen2, Phi-3, Mistral, ...) can use it. The cost is rows x longest x (prefix + longest) instead
of the square of all tokens.
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
    heads = query.shape[1]
    sizes = [rows.prefix, rows.tokens - rows.prefix]
    shared, rest = zip(*(x.split(sizes, dim=2) for x in (query, key, value)), strict=True)
    q, k, v = (_heads(_by_row(x, rows), heads) for x in rest)
    # copies, because a view would keep the projections of all tokens for the backward pass
    shared_q, shared_k, shared_v = (_heads(x.contiguous(), heads) for x in shared)
    k = torch.cat([shared_k.expand(len(q), -1, -1, -1), k], dim=2)
    v = torch.cat([shared_v.expand(len(q), -1, -1, -1), v], dim=2)
    own_output = scaled_dot_product_attention(q, k, v, attn_mask=rows.visible, **options)
    outputs = [own_output.transpose(1, 2).flatten(0, 1).index_select(0, rows.unpadded)]
    if rows.prefix:
        prefix_output = scaled_dot_product_attention(shared_q, shared_k, shared_v, is_causal=True, **options)
        outputs.insert(0, prefix_output[0].transpose(0, 1))
    return torch.cat(outputs).unsqueeze(0), None


def _by_row(x: Tensor, rows: PackedRows) -> Tensor:
    """Rearrange x [1, heads, T - prefix, d] to [rows, heads, longest, d]."""
    padded = x[0].index_select(1, rows.own.flatten())
    return padded.unflatten(1, rows.own.shape).transpose(0, 1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """Repeat each head of x [n, kv heads, t, d] for the query heads that share it."""
    return x.repeat_interleave(heads // x.shape[1], dim=1) if heads != x.shape[1] else x


AttentionInterface.register(NAME, packed_attention)
