"""Types of GGUF files, as llama.cpp numbers them; tests compare them with the gguf package.

Source: ggml.h (ggml_type), llama.h (llama_ftype), gguf-py's GGML_QUANT_SIZES.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A tensor type: values are stored in blocks of a fixed size."""

    number: int
    name: str
    values: int
    """Values in a block."""
    size_bytes: int
    """Bytes of a block."""


ROWS: tuple[Row, ...] = (
    Row(0, "F32", 1, 4),
    Row(1, "F16", 1, 2),
    Row(2, "Q4_0", 32, 18),
    Row(3, "Q4_1", 32, 20),
    Row(6, "Q5_0", 32, 22),
    Row(7, "Q5_1", 32, 24),
    Row(8, "Q8_0", 32, 34),
    Row(9, "Q8_1", 32, 40),
    Row(10, "Q2_K", 256, 84),
    Row(11, "Q3_K", 256, 110),
    Row(12, "Q4_K", 256, 144),
    Row(13, "Q5_K", 256, 176),
    Row(14, "Q6_K", 256, 210),
    Row(15, "Q8_K", 256, 292),
    Row(16, "IQ2_XXS", 256, 66),
    Row(17, "IQ2_XS", 256, 74),
    Row(18, "IQ3_XXS", 256, 98),
    Row(19, "IQ1_S", 256, 50),
    Row(20, "IQ4_NL", 32, 18),
    Row(21, "IQ3_S", 256, 110),
    Row(22, "IQ2_S", 256, 82),
    Row(23, "IQ4_XS", 256, 136),
    Row(24, "I8", 1, 1),
    Row(25, "I16", 1, 2),
    Row(26, "I32", 1, 4),
    Row(27, "I64", 1, 8),
    Row(28, "F64", 1, 8),
    Row(29, "IQ1_M", 256, 56),
    Row(30, "BF16", 1, 2),
    Row(34, "TQ1_0", 256, 54),
    Row(35, "TQ2_0", 256, 66),
    Row(39, "MXFP4", 32, 17),
    Row(40, "NVFP4", 64, 36),
    Row(41, "Q1_0", 128, 18),
    Row(42, "Q2_0", 64, 18),
)

BY_NUMBER = {row.number: row for row in ROWS}

FILE_TYPES: dict[int, str] = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K"},
    **{11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K"},
    **{19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL"},
    **{26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16"},
    **{36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0"},
}
"""Names of general.file_type."""
