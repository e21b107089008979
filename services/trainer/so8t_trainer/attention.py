"""Attention over packed rows: the prefix sees itself, each row sees the prefix and itself.

Registered with transformers under a name, so every architecture that dispatches its attention there
(Llama, Qwen2, Phi-3, Mistral, ...) can use it. Costs rows x longest x (prefix + longest) instead of
the square of all tokens.
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
    attention_mask: Tensor | None,  # noqa: ARG001 - part of the interface; `rows` says who sees whom
    *,
    rows: PackedRows,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention output [1, T, heads, d] for query [1, heads, T, d] and key, value [1, kv heads, T, d].

    `rows` comes with the model's forward call and describes the T tokens.
    """
    repeats = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(repeats, dim=1) for x in (key, value))
    options: dict[str, Any] = {"scale": scaling, "dropout_p": dropout if module.training else 0.0}
    prefix = rows.prefix
    q, k, v = (_own(x, rows) for x in (query, key, value))
    k, v = (torch.cat([_prefix(x, rows, len(q)), own], dim=2) for x, own in ((key, k), (value, v)))
    visible = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril(prefix)
    own_output = scaled_dot_product_attention(q, k, v, attn_mask=visible, **options)
    outputs = [own_output.transpose(1, 2).flatten(0, 1)[rows.unpadded]]
    if prefix:
        q, k, v = (x[:, :, :prefix] for x in (query, key, value))
        outputs.insert(0, scaled_dot_product_attention(q, k, v, is_causal=True, **options)[0].transpose(0, 1))
    return torch.cat(outputs).unsqueeze(0), None


def _own(x: Tensor, rows: PackedRows) -> Tensor:
    """[rows, heads, longest, d] of x [1, heads, T, d]."""
    return x[0][:, rows.own].transpose(0, 1)


def _prefix(x: Tensor, rows: PackedRows, count: int) -> Tensor:
    return x[:, :, : rows.prefix].expand(count, -1, -1, -1)


AttentionInterface.register(NAME, packed_attention)
