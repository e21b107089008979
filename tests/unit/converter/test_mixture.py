"""Which tensor gets which type, compared with llama-quantize's choices."""

from __future__ import annotations

from so8t_converter.mixture import TensorShape, Traits, in_file_order, target_types


def _phi3(layers: int, hidden: int = 3072, intermediate: int = 8192) -> list[TensorShape]:
    tensors = [
        TensorShape("token_embd.weight", (32064, hidden), "F16"),
        TensorShape("output_norm.weight", (hidden,), "F32"),
        TensorShape("output.weight", (32064, hidden), "F16"),
    ]
    for i in range(layers):
        tensors += [
            TensorShape(f"blk.{i}.attn_norm.weight", (hidden,), "F32"),
            TensorShape(f"blk.{i}.attn_qkv.weight", (3 * hidden, hidden), "F16"),
            TensorShape(f"blk.{i}.attn_output.weight", (hidden, hidden), "F16"),
            TensorShape(f"blk.{i}.ffn_norm.weight", (hidden,), "F32"),
            TensorShape(f"blk.{i}.ffn_up.weight", (2 * intermediate, hidden), "F16"),
            TensorShape(f"blk.{i}.ffn_down.weight", (hidden, intermediate), "F16"),
        ]
    return tensors


def _layers_with(types: dict[str, str], part: str, kind: str) -> list[int]:
    return [int(name.split(".")[1]) for name, found in types.items() if part in name and found == kind]


def test_q4_k_m_of_phi3_with_32_layers() -> None:
    """Layers 0-3, 28-31 and every third between them get Q6_K in attn_qkv and ffn_down."""
    types = target_types(_phi3(32), "q4_k_m")
    more = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    assert _layers_with(types, "attn_qkv", "Q6_K") == more
    assert _layers_with(types, "ffn_down", "Q6_K") == more
    assert len(_layers_with(types, "attn_qkv", "Q4_K")) == len(_layers_with(types, "ffn_down", "Q4_K")) == 16
    assert len(_layers_with(types, "ffn_up", "Q4_K")) == len(_layers_with(types, "attn_output", "Q4_K")) == 32
    assert (types["output.weight"], types["token_embd.weight"]) == ("Q6_K", "Q4_K")


def test_few_layers() -> None:
    """With 4 layers n/8 is 0: layer 2 (every third) and layer 3 (the last eighth) get more."""
    types = target_types(_phi3(4), "q4_k_m")
    assert _layers_with(types, "ffn_down", "Q6_K") == [2, 3]


def test_tied_embedding_counts_as_output() -> None:
    """Without an output tensor the embedding is the output, in Q6_K."""
    tensors = [tensor for tensor in _phi3(4) if tensor.name != "output.weight"]
    assert target_types(tensors, "q4_k_m")["token_embd.weight"] == "Q6_K"


def test_rows_that_do_not_fit() -> None:
    """A row length not divisible by 256 falls back to 32-value blocks, one not by 32 to F16."""
    types = target_types(_phi3(4, hidden=576), "q4_k_m")
    assert types["blk.0.attn_qkv.weight"] == "Q5_0"
    assert types["blk.3.attn_qkv.weight"] == "Q8_0"
    assert types["output.weight"] == "Q8_0"
    assert types["blk.3.ffn_down.weight"] == "Q6_K"
    types = target_types(_phi3(4, hidden=40), "q4_k_m")
    assert types["blk.0.attn_qkv.weight"] == types["blk.3.attn_qkv.weight"] == "F16"
    assert target_types(_phi3(4, hidden=40), "q8_0")["output.weight"] == "F16"


def test_q8_0_and_f16() -> None:
    """Q8_0 takes every matrix, F16 leaves all as they are; norms stay F32 in both."""
    tensors = _phi3(4)
    q8_0 = target_types(tensors, "q8_0")
    assert {kind for name, kind in q8_0.items() if "norm" not in name} == {"Q8_0"}
    assert {kind for name, kind in q8_0.items() if "norm" in name} == {"F32"}
    assert target_types(tensors, "f16") == {tensor.name: tensor.type for tensor in tensors}


def test_70b_value_projection() -> None:
    """In what llama.cpp calls 70B, attn_v gets Q5_K where it would get Q4_K."""
    tensors = [TensorShape(f"blk.{i}.attn_v.weight", (1024, 8192), "F16") for i in range(80)]
    large = target_types(tensors, "q4_k_m", Traits(is_70b=True))
    assert set(large.values()) == {"Q5_K", "Q6_K"}
    assert set(target_types(tensors, "q4_k_m").values()) == {"Q4_K", "Q6_K"}


def test_file_order() -> None:
    """Tensors outside the layers come first, then layer 2 before layer 10."""
    names = ["blk.10.a.weight", "token_embd.weight", "blk.2.b.weight", "blk.2.a.weight", "output.weight"]
    assert in_file_order(names) == [
        *("output.weight", "token_embd.weight"),
        *("blk.2.a.weight", "blk.2.b.weight", "blk.10.a.weight"),
    ]
