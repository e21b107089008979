"""Quantizations, from most to least precise; tables and charts keep this order.

Each row has llama-quantize's recipe for architectures without experts.
Source: llama.cpp, src/llama-quant.cpp, llama_tensor_get_type_impl.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

Layers = Literal["more bits", "first eighth", "first four", "shared heads"]
"""Layers that a boost applies to. "more bits": the first and last eighth, and every third layer in between; "shared
heads": all layers of a model in which at least four query heads share a value head."""


@dataclass(frozen=True)
class Boost:
    """A more precise type for some layers of one kind of tensor."""

    layers: Layers
    type: str
    """GGML type."""
    imatrix: bool | None = None
    """Whether it takes an importance matrix (True), or none (False); by default it does not matter."""


@dataclass(frozen=True)
class Row:
    """One quantization."""

    name: str
    """Name in the configuration and in file names, and tag in Ollama."""
    file_type: int
    """llama.cpp's LLAMA_FTYPE, written to general.file_type."""
    type: str
    """GGML type of most weights."""
    marker: str
    """Matplotlib marker in charts; unique per row."""
    rounding: str
    """What a ladder rounds weights like, to measure what this does to a model; see `tables.roundings`."""
    from_checkpoint: bool = False
    """Whether the converter writes it directly from the checkpoint; the others are made from F16."""
    values: Boost | None = None
    """For attn_v and attn_qkv."""
    ffn_down: Boost | None = None


_WITHOUT_IMATRIX = Boost("first eighth", "Q5_K", imatrix=False)

ROWS: tuple[Row, ...] = (
    Row("f16", 1, "F16", "o", "f16", from_checkpoint=True),
    Row("bf16", 32, "BF16", "*", "bf16", from_checkpoint=True),
    Row("q8_0", 7, "Q8_0", "D", "8"),
    Row("q6_k", 18, "Q6_K", "X", "6"),
    Row("q5_k_m", 17, "Q5_K", "v", "5", values=Boost("more bits", "Q6_K"), ffn_down=Boost("more bits", "Q6_K")),
    Row("q5_0", 8, "Q5_0", "P", "5", ffn_down=Boost("first eighth", "Q5_1", imatrix=True)),
    Row("q4_k_m", 15, "Q4_K", "^", "4", values=Boost("more bits", "Q6_K"), ffn_down=Boost("more bits", "Q6_K")),
    Row("q4_k_s", 14, "Q4_K", "<", "4", values=Boost("first four", "Q5_K"), ffn_down=Boost("first eighth", "Q5_K")),
    Row("iq4_nl", 25, "IQ4_NL", ">", "4", values=Boost("shared heads", "Q5_K"), ffn_down=_WITHOUT_IMATRIX),
    Row("iq4_xs", 30, "IQ4_XS", "d", "4", values=Boost("shared heads", "Q5_K"), ffn_down=_WITHOUT_IMATRIX),
    Row("q4_0", 2, "Q4_0", "p", "4", ffn_down=Boost("first eighth", "Q4_1", imatrix=True)),
)

BY_NAME = {row.name: row for row in ROWS}
ORDER = tuple(BY_NAME)
"""Names, most precise first."""

BASE = "f16"
"""The file that the others are quantized from."""

if TYPE_CHECKING:
    Quantization = str
else:
    Quantization = Literal[ORDER]
