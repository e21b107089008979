"""Tiny models with random weights for tests: ordinary Hugging Face folders, made without a network.

`make_llama` (SmolLM2's tokenizer, tied embeddings), `make_qwen2` and `make_phi3` (sentencepiece, fused
projections) return the folder that they fill. Hidden size 256, so that Q4_K applies; a folder takes
about a second. The same arguments give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tests.tiny_tokenizers import (
    CONTEXT,
    PHI3_SPECIAL,
    QWEN2_SPLIT,
    byte_level_bpe,
    save_bpe_tokenizer,
    save_phi3_tokenizer,
)

HIDDEN = 256
INTERMEDIATE = 512


def make_llama(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    hidden: int = HIDDEN,
    heads: int = 4,
    kv_heads: int = 2,
    vocab: int = 768,
    tied: bool = True,
    dtype: torch.dtype = torch.float32,
    tokenizer_class: str = "PreTrainedTokenizerFast",
    kind: str = "Llama",
    **settings: Any,
) -> Path:
    """A Llama in the manner of SmolLM2: byte-level BPE with single digits, ChatML, tied embeddings.

    SmolLM2 itself says `GPT2Tokenizer`, which makes transformers 5 rebuild the tokenizer without
    its digit splitting; pass that name to have such a folder. `kind` is the start of transformers'
    class names; `settings` are keys of its configuration.
    """
    import transformers
    from tokenizers import pre_tokenizers as pre

    steps = [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)]
    tokenizer = byte_level_bpe(pre.Sequence(steps), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], vocab)
    save_bpe_tokenizer(folder, tokenizer, tokenizer_class, bos="<|im_start|>", eos="<|im_end|>", pad="<|im_end|>")
    model_class = getattr(transformers, f"{kind}ForCausalLM")
    config = model_class.config_class(
        **_sizes(hidden, layers, heads, kv_heads, _padded(tokenizer.get_vocab_size()), tied),
        bos_token_id=tokenizer.token_to_id("<|im_start|>"),
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
        pad_token_id=tokenizer.token_to_id("<|im_end|>"),
        **settings,
    )
    return _save_model(model_class, config, folder, seed, dtype)


def make_qwen2(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    hidden: int = HIDDEN,
    heads: int = 4,
    kv_heads: int = 2,
    vocab: int = 768,
    tied: bool = True,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """A Qwen2: byte-level BPE with Qwen's split, ChatML, no beginning-of-text token, two ends."""
    from tokenizers import Regex, normalizers
    from tokenizers import pre_tokenizers as pre
    from transformers import Qwen2Config, Qwen2ForCausalLM

    steps = [
        pre.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = byte_level_bpe(pre.Sequence(steps), special, vocab, normalizers.NFC())
    save_bpe_tokenizer(folder, tokenizer, "Qwen2Tokenizer", bos=None, eos="<|im_end|>", pad="<|endoftext|>")
    config = Qwen2Config(
        **_sizes(hidden, layers, heads, kv_heads, _padded(tokenizer.get_vocab_size()), tied),
        bos_token_id=tokenizer.token_to_id("<|endoftext|>"),
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
    )
    ends = [tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")]
    return _save_model(Qwen2ForCausalLM, config, folder, seed, dtype, ends)


def make_phi3(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    hidden: int = HIDDEN,
    heads: int = 4,
    kv_heads: int = 4,
    vocab: int = 700,
    longrope: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """A Phi-3.5: sentencepiece with byte fallback, fused qkv_proj and gate_up_proj, `<|end|>`."""
    from transformers import Phi3Config, Phi3ForCausalLM

    pieces = save_phi3_tokenizer(folder, vocab)
    sizes = _sizes(hidden, layers, heads, kv_heads, _padded(pieces + len(PHI3_SPECIAL)), tied=False)
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    if longrope:
        half = hidden // heads // 2
        rope["rope_type"] = "longrope"
        rope["short_factor"] = [1.0 + 0.01 * i for i in range(half)]
        rope["long_factor"] = [1.5 + 0.1 * i for i in range(half)]
        rope["original_max_position_embeddings"] = CONTEXT // 2
    config = Phi3Config(
        **sizes,
        rope_parameters=rope,
        original_max_position_embeddings=CONTEXT // 2 if longrope else CONTEXT,
        sliding_window=262144,
        bos_token_id=1,
        eos_token_id=pieces,
        pad_token_id=pieces,
    )
    ends = [pieces + PHI3_SPECIAL.index(name) for name in ("<|end|>", "<|assistant|>", "<|endoftext|>")]
    return _save_model(Phi3ForCausalLM, config, folder, seed, dtype, ends)


def make_foreign_so8t(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    kv_heads: int = 4,
    angle: float = 0.3,
    gated: Sequence[int] | None = None,
) -> Path:
    """A checkpoint in the original project's SO8T format, with code that must never run.

    Split q/k/v, gates `so8t_rotation_gate.theta` (in all layers, or in `gated`) drawn from a normal distribution
    with deviation `angle`, and a modeling file that writes `executed.marker` beside itself when it is imported.
    """
    from safetensors.torch import load_file, save_file

    make_phi3(folder, seed=seed, layers=layers, kv_heads=kv_heads)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        tensors.update(_split_qkv(name, tensor, config))
    generator = torch.Generator().manual_seed(seed + 1)
    for layer in range(layers) if gated is None else gated:
        theta = torch.randn(config["hidden_size"] // 8, 8, 8, generator=generator) * angle
        tensors[f"model.layers.{layer}.self_attn.so8t_rotation_gate.theta"] = theta
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    module = "modeling_phi3_so8t"
    config.update(
        architectures=["SO8TPhi3ForCausalLM"],
        so8t_integrated=True,
        auto_map={
            "AutoConfig": f"{module}.SO8TPhi3Config",
            "AutoModelForCausalLM": f"{module}.SO8TPhi3ForCausalLM",
        },
    )
    _write_json(folder / "config.json", config)
    code = "from pathlib import Path\nPath(__file__).with_name('executed.marker').write_text('ran')\n"
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    return folder


def _split_qkv(name: str, tensor: torch.Tensor, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    if not name.endswith("qkv_proj.weight"):
        return {name: tensor}
    head = config["hidden_size"] // config["num_attention_heads"]
    rows = [config[key] * head for key in ("num_attention_heads", "num_key_value_heads", "num_key_value_heads")]
    parts = zip("qkv", tensor.split(rows), strict=True)
    return {name.replace("qkv_proj", f"{letter}_proj"): part.contiguous() for letter, part in parts}


def _padded(tokens: int) -> int:
    return -(-tokens // 64) * 64


def _sizes(hidden: int, layers: int, heads: int, kv_heads: int, vocab: int, tied: bool) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocab,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": tied,
        "initializer_range": 0.06,
    }


def _save_model(
    model_class: Any, config: Any, folder: Path, seed: int, dtype: torch.dtype, ends: list[int] | None = None
) -> Path:
    from transformers import GenerationConfig

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config).to(dtype).eval()
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "bias")):  # all ones or zeros would hide a swapped tensor
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=ends or config.eos_token_id,
        pad_token_id=config.pad_token_id,
    )
    model.save_pretrained(folder)
    return folder


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


BY_ARCHITECTURE: dict[str, Callable[..., Path]] = {
    "LlamaForCausalLM": make_llama,
    "Qwen2ForCausalLM": make_qwen2,
    "Phi3ForCausalLM": make_phi3,
    "MistralForCausalLM": partial(make_llama, kind="Mistral", tied=False, sliding_window=None),
    "Gemma3ForCausalLM": partial(
        make_llama, kind="Gemma3", layers=7, head_dim=96, query_pre_attn_scalar=96, sliding_window=CONTEXT
    ),
    "Qwen3ForCausalLM": partial(make_llama, kind="Qwen3", head_dim=96),
    "SmolLM3ForCausalLM": partial(make_llama, kind="SmolLM3", layers=5),
}
"""A maker for each row of the table of architectures."""
