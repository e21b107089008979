"""Training's peak memory: the formula of so8t_trainer.memory against the real objective.

The objective runs on fake tensors, which have shapes and lifetimes but no values, so a model of any size takes
seconds; every storage that is alive counts. Bases in 8 or 4 bits are not measured here.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from so8t_shared.config.training import Training
from so8t_shared.tables.architectures import BY_NAME, sizes_of
from so8t_trainer.encode import EncodedRow
from so8t_trainer.loop import objective
from so8t_trainer.memory import MemoryModel, Pass
from so8t_trainer.model import Trainee, prepare
from so8t_trainer.packing import pack

GIB = 2**30
SHAPES: dict[str, dict[str, Any]] = {
    "Phi3ForCausalLM": {  # Phi-3.5-mini
        **{"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32},
        **{"num_key_value_heads": 32, "vocab_size": 32064, "pad_token_id": 0, "tie_word_embeddings": False},
    },
    "LlamaForCausalLM": {  # SmolLM2-135M
        **{"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9},
        **{"num_key_value_heads": 3, "vocab_size": 49152, "pad_token_id": 0, "tie_word_embeddings": True},
    },
    "Qwen3ForCausalLM": {  # Qwen3-1.7B
        **{"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16},
        **{"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "pad_token_id": 0},
        "tie_word_embeddings": True,
    },
}


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = operator(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._add, found)
        return found

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen[storage] = size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, size)

    def _drop(self, size: int) -> None:
        self.now -= size


def materialize(subject: Trainee) -> None:
    """Replace all meta tensors by empty ones."""
    made: dict[nn.Parameter, nn.Parameter] = {}  # a tied weight is one
    for module in subject.causal_lm.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                made[parameter] = made[parameter] if parameter in made else _empty(parameter)
                module._parameters[name] = made[parameter]
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
    if subject.gates is not None:
        subject.gates.parameters = {layer: _empty(p) for layer, p in subject.gates.parameters.items()}


def _empty(parameter: nn.Parameter) -> nn.Parameter:
    made = nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype), requires_grad=parameter.requires_grad)
    if parameter.requires_grad:
        made.grad = torch.empty_like(made)
    return made


def meta_trainee(kind: str, layers: int, settings: Training, dtype: torch.dtype, **sizes: Any) -> Trainee:
    """Return the trainee of a model with `layers` layers of an architecture, without memory for its weights."""
    import transformers

    model_class = getattr(transformers, kind)
    config = model_class.config_class(**(SHAPES.get(kind, {}) | {"num_hidden_layers": layers} | sizes))
    torch.set_default_dtype(torch.float32 if settings.use_full_finetuning else dtype)
    with torch.device("meta"):
        model = model_class(config)
        torch.set_default_dtype(torch.float32)
        for parameter in model.parameters():
            parameter.requires_grad_(settings.use_full_finetuning)
        return prepare(model, settings, torch.device("cpu"), dtype)


def measured(subject: Trainee, settings: Training, rows: list[EncodedRow]) -> tuple[int, int]:
    """Return the bytes of weights and gradients, and those added at the peak of one pass over `rows`."""
    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        live = stack.enter_context(LiveBytes())
        materialize(subject)
        weights = live.now
        live.peak = live.now
        if subject.gates is not None:
            subject.gates.refresh()
        packed = pack(rows, share=settings.shares_prefixes, attention_dtype=subject.attention_dtype)
        loss, pet = objective(subject, packed)
        (loss.sum() / 10 + pet / 100).backward()
        if subject.gates is not None:
            subject.gates.collect_gradients()
        return weights, live.peak - weights


def some_rows(count: int, length: int, answer: int, prefix: int = 0) -> list[EncodedRow]:
    """Rows of one length whose prompts share `prefix` tokens."""
    head = (3,) * prefix
    return [
        EncodedRow(str(i), (*head, 10 + i, *(5,) * (length - answer - prefix - 1)), (7,) * answer) for i in range(count)
    ]


def largest_pass(rows: list[EncodedRow], settings: Training) -> Pass:
    """The measured pass as the formula sees it."""
    packed = pack(rows, share=settings.shares_prefixes)
    return Pass(
        tokens=packed.tokens,
        prefix=packed.prefix,
        attended=sum(row.length for row in rows),
        predicted=sum(len(row.completion) for row in rows),
    )


def predicted(subject: Trainee, kind: str, settings: Training, rows: list[EncodedRow]) -> tuple[float, float]:
    """Return the formula's bytes for the same."""
    sizes = sizes_of(subject.causal_lm.config.to_dict(), __file__)  # type: ignore[arg-type]
    model = MemoryModel(
        BY_NAME[kind],
        sizes,
        settings,
        settings.base_memory,
        settings.gradient_checkpointing is True,
        4 if subject.dtype == torch.float32 else 2,
        "cpu",
    )
    found = model.footprint(largest_pass(rows, settings))
    return found.weights + found.gradients, found.pass_


@dataclass(frozen=True)
class Case:
    """One line of the output."""

    kind: str
    layers: int
    dtype: torch.dtype
    settings: Training
    rows: tuple[int, int, int, int]


def cases() -> Iterator[Case]:
    """What is compared."""
    lora = {"lora": {"r": 16}}
    for kind in SHAPES:
        for dtype in (torch.bfloat16, torch.float32):
            for checkpointing in (False, True):
                settings = Training(gradient_checkpointing=checkpointing, **lora)
                yield Case(kind, 4, dtype, settings, (4, 256, 64, 0))
    plain = Training(gradient_checkpointing=False, **lora)
    yield Case("Phi3ForCausalLM", 32, torch.bfloat16, plain, (8, 256, 64, 0))
    yield Case(
        "Phi3ForCausalLM",
        32,
        torch.bfloat16,
        plain.model_copy(update={"gradient_checkpointing": True}),
        (8, 2040, 400, 0),
    )
    yield Case("Phi3ForCausalLM", 8, torch.bfloat16, Training(so8t={"layers": "4-5"}, **lora), (4, 256, 64, 100))
    yield Case("Phi3ForCausalLM", 4, torch.bfloat16, Training(lora={"r": 16, "dropout": 0.1}), (4, 256, 64, 0))
    yield Case("LlamaForCausalLM", 4, torch.float32, Training(lora={"r": 16, "dropout": 0.1}), (4, 256, 64, 0))
    for kind in SHAPES:
        for dtype in (torch.bfloat16, torch.float32):
            for checkpointing in (False, True):
                settings = Training(use_full_finetuning=True, gradient_checkpointing=checkpointing)
                yield Case(kind, 4, dtype, settings, (4, 256, 64, 0))


def line(case: Case) -> str:
    """Measure one case."""
    settings = case.settings
    subject = meta_trainee(case.kind, case.layers, settings, case.dtype)
    rows = some_rows(*case.rows)
    figures = zip(predicted(subject, case.kind, settings, rows), measured(subject, settings, rows), strict=True)
    columns = [f"{ours / GIB:9.3f} {real / GIB:8.3f} {ours / real:6.2f}" for ours, real in figures]
    what = [
        f"{case.kind.removesuffix('ForCausalLM')} x{case.layers} {str(case.dtype).removeprefix('torch.')}",
        *(["checkpointing"] if settings.gradient_checkpointing is True else []),
        *(["all weights"] if settings.use_full_finetuning else []),
        *([f"dropout {settings.lora.dropout}"] if settings.lora.dropout else []),
        *([f"gates {settings.so8t.layers}"] if settings.so8t.layers != "all" else []),
        f"{case.rows[0]} rows of {case.rows[1]}",
    ]
    return f"{', '.join(what):58}" + " ".join(columns)


def main() -> int:
    """Print predicted and measured GiB and their ratio, of weights with gradients, and of one pass."""
    print(f"{'GiB: predicted, measured, ratio':58}{'weights and gradients':>25} {'one pass':>25}")
    for case in cases():
        print(line(case), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
