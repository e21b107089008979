"""A tiny model in all its forms, each measured once, and ways to break a hand-over."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tests.servers.ollama_server import OllamaServer
from tests.tiny_models import make_llama
from tests.unit.trainer.material import disturb, trainee, training

from so8t_converter.convert import Conversion
from so8t_converter.standalone import convert_folder, paths_of
from so8t_evaluator.ladder.comparing import compare_rungs
from so8t_evaluator.ladder.engines import measure_file
from so8t_evaluator.ladder.served import measure_served
from so8t_shared.json_files import write_lines
from so8t_shared.labels import LABELS
from so8t_shared.ladders.orders import LadderStep, RungOrder, rounding_name
from so8t_shared.progress import no_progress
from so8t_shared.results.ladder import Ladder
from so8t_shared.results.training import LabeledRow
from so8t_trainer.encode import load_encoder
from so8t_trainer.ladder.rungs import measure_checkpoint, measure_trained
from so8t_trainer.merge import Changes, merge_checkpoint
from so8t_trainer.trained import save_trained, write_settings

QUANTIZATIONS = ("f16", "q8_0", "q4_k_m")
END = "<|done|>"
"""No end of a turn that llama.cpp would know by its text: without its number in the file, nothing ends an answer."""
STEPS = [
    LadderStep(rung="trained", title="trained model", kind="start"),
    LadderStep(rung="merged", title="merged checkpoint", kind="merge", before="trained"),
    LadderStep(rung="f16", title="F16 in llama.cpp", kind="file", quantization="f16", before="merged"),
    LadderStep(rung="q8_0", title="Q8_0 in llama.cpp", kind="file", quantization="q8_0", before="f16"),
    LadderStep(rung="q4_k_m", title="Q4_K_M in llama.cpp", kind="file", quantization="q4_k_m", before="f16"),
]
IN_OLLAMA = LadderStep(rung="ollama", title="Q8_0 in Ollama", kind="serve", quantization="q8_0", before="q8_0")
_WORDS = (
    "please",
    "open",
    "close the",
    "door",
    "invoice",
    "password",
    "manager",
    "bread",
    "weapon",
    "12",
    "依頼",
    "口座",
)


def rows(count: int = 24) -> list[LabeledRow]:
    """Requests of a few words, each class as often."""
    choose = random.Random(3)
    return [
        LabeledRow(id=f"row{n:02}", text=" ".join(choose.choices(_WORDS, k=choose.randint(2, 9))), label=LABELS[n % 4])
        for n in range(count)
    ]


@dataclass(frozen=True)
class TinyLadder:
    """Folders of one model: base, what training left, merged checkpoint, GGUF files, and the measured rungs."""

    root: Path

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def trained(self) -> Path:
        return self.root / "trained"

    @property
    def merged(self) -> Path:
        return self.root / "merged"

    @property
    def rungs(self) -> Path:
        return self.root / "rungs"

    def file(self, quantization: str) -> Path:
        return self.root / "gguf" / f"model-{quantization.upper()}.gguf"

    def copy(self, root: Path) -> TinyLadder:
        """The same rungs, of which some are then measured again."""
        root.mkdir()
        shutil.copytree(self.rungs, root / "rungs")
        return TinyLadder(root)

    def order(self, rung: str, model: Path, *others: str, **more: Any) -> RungOrder:
        keys = dict.fromkeys([rung, *others], "key")
        place = {"folder": str(self.rungs), "rows": str(self.rungs / "rows.jsonl"), "model": str(model)}
        return RungOrder(rung=rung, keys=keys, end_of_turn=END, context=1024, device="cpu", threads=1, **place, **more)

    def measure_merged(self, folder: Path) -> None:
        measure_checkpoint(self.order("merged", folder, *map(rounding_name, ("f16", "8", "4"))), no_progress)

    def measure_file(self, quantization: str, path: Path) -> None:
        measure_file(self.order(quantization, path, quantization=quantization), no_progress)

    def measure_served(self, path: Path, name: str, server: OllamaServer) -> None:
        """Measure what the server has under that name, told to be made from the file."""
        place = {"served": name, "server": server.address, "sha256": server.digests()[name]}
        measure_served(self.order("ollama", path, quantization="q8_0", **place), no_progress)

    def compared(self, steps: Sequence[LadderStep] = STEPS) -> Ladder:
        return compare_rungs("tiny", None, self.rungs, steps, rows(), [])


def make_plain(folder: Path, **settings: Any) -> Path:
    """A tiny Llama with a head of its own, whose turns end with END."""
    make_llama(folder, tied=False, **settings)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("<|im_end|>", END), encoding="utf-8")
    return folder


def make_ending(folder: Path) -> Path:
    """One that writes END after each answer."""
    from transformers import AutoModelForCausalLM

    make_plain(folder)
    model, encoder = AutoModelForCausalLM.from_pretrained(folder), load_encoder(folder)
    with torch.inference_mode():
        inside, last = [], []
        for row, prompt, answers in encoder.encode_answers(rows()):
            answer = answers[LABELS.index(row.label)]
            hidden = model.model(torch.tensor([[*prompt, *answer]])).last_hidden_state[0]
            inside.append(hidden[len(prompt) - 1 : -2])
            last.append(hidden[-2:-1])
        states = torch.cat([*inside, *last])
        wanted = torch.cat([torch.zeros(len(states) - len(last)), torch.full((len(last),), 12.0)])
        squares = states.T @ states + torch.eye(states.shape[1])
        row_of_end = torch.linalg.solve(squares, states.T @ wanted)
        model.lm_head.weight[encoder.tokenize(END)[-1]] = row_of_end
    model.save_pretrained(folder)
    return folder


def build(root: Path, make: Callable[[Path], Path] = make_plain) -> TinyLadder:
    """Train nothing, but leave adapter and gates as if it had; merge, convert and measure all rungs."""
    ladder = TinyLadder(root)
    make(ladder.base)
    changes = _trained(ladder)
    merge_checkpoint(ladder.base, changes, ladder.merged)
    convert(ladder.merged, ladder.root / "gguf")
    ladder.rungs.mkdir()
    write_lines(ladder.rungs / "rows.jsonl", rows())
    measure_trained(ladder.order("trained", ladder.base, trained=str(ladder.trained)), no_progress)
    ladder.measure_merged(ladder.merged)
    for quantization in QUANTIZATIONS:
        ladder.measure_file(quantization, ladder.file(quantization))
    return ladder


def convert(checkpoint: Path, target: Path, quantizations: tuple[str, ...] = QUANTIZATIONS) -> dict[str, Path]:
    """Convert as `so8t-ab convert` does."""
    conversion = Conversion(checkpoint, "model", quantizations)
    convert_folder(conversion, target)
    return dict(paths_of(conversion, target))


def _trained(ladder: TinyLadder) -> Changes:
    ladder.trained.mkdir()
    model = trainee(ladder.base)
    disturb(model, size=0.05)
    write_settings(ladder.trained, training(), model)
    return save_trained(ladder.trained, model, training())


def merged_wrongly(ladder: TinyLadder, target: Path, change: Callable[[Mapping[str, torch.Tensor]], Any]) -> Path:
    """Merge the ladder's adapter with other gates."""
    from safetensors.torch import load_file

    from so8t_trainer.merge import lora_changes
    from so8t_trainer.trained import _GATES

    gates = load_file(ladder.trained / _GATES)
    changes = replace(lora_changes(ladder.trained / "adapter"), gates=change(gates))
    merge_checkpoint(ladder.base, changes, target)
    return target


def rewritten(source: Path, target: Path, values: Mapping[str, Any] | None = None, without: Sequence[str] = ()) -> Path:
    """A GGUF file with other values of its metadata, without some tensors."""
    import numpy as np
    from gguf import GGUFReader, GGUFValueType, GGUFWriter

    reader = GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(target, architecture)
    values = dict(values or {})
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = values.pop(name, field.contents())
        kinds = field.types
        writer.add_key_value(name, value, kinds[0], kinds[-1] if kinds[0] is GGUFValueType.ARRAY else None)
    for name, value in values.items():
        writer.add_key_value(name, value, GGUFValueType.BOOL if isinstance(value, bool) else GGUFValueType.FLOAT32)
    for tensor in reader.tensors:
        if tensor.name not in without:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
