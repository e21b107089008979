"""What training leaves: its adapter, gates and weights as files, and the changes that merging applies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from so8t_shared.config.training import Training
from so8t_shared.files import write_atomically
from so8t_trainer.distributed.shards import whole
from so8t_trainer.distributed.stored import StoredTensors, TensorFiles
from so8t_trainer.merge import Changes, lora_changes, save_gates
from so8t_trainer.model import Trainee

_WEIGHTS = "weights"
_ADAPTER, _GATES, SETTINGS = "adapter", "gates.safetensors", "training_config.yaml"


def write_settings(output: Path, settings: Training, trainee: Trainee) -> None:
    """Write training_config.yaml: the training section with all defaults filled in and `auto` resolved."""
    values = settings.model_dump(mode="json", exclude={"config"})
    values["dtype"] = str(trainee.dtype).removeprefix("torch.")
    if trainee.adapter is not None:
        values["lora"]["target_modules"] = sorted(trainee.adapter.peft_config["default"].target_modules)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    write_atomically(output / SETTINGS, text.encode())


def save_trained(output: Path, trainee: Trainee, settings: Training) -> Changes:
    """Write adapter/ and gates.safetensors, and return the changes to merge."""
    changes = Changes()
    if trainee.adapter is None:
        state = trainee.causal_lm.state_dict()
        changes = Changes(replaced={name: tensor.detach().cpu() for name, tensor in state.items()})
    else:
        _save_adapter(trainee.adapter, output / _ADAPTER, None)
        changes = lora_changes(output / _ADAPTER)
    return replace(changes, **_saved_gates(output, trainee, settings))


def write_trained(output: Path | None, trainee: Trainee, settings: Training) -> None:
    """Write what `read_trained` reads to a new folder; all processes call it, and all but the leading one give None.

    Weights that they share are gathered one at a time.
    """
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        _saved_gates(output, trainee, settings)
    if trainee.adapter is None:
        files = TensorFiles(output, _WEIGHTS) if output is not None else None
        for name, tensor in trainee.causal_lm.state_dict().items():
            full = whole(tensor)
            if files is not None:
                files.add(name, full)
        if files is not None:
            files.finish()
        return
    state = {name: whole(tensor).cpu() for name, tensor in trainee.adapter.state_dict().items() if "lora_" in name}
    if output is not None:
        _save_adapter(trainee.adapter, output / _ADAPTER, state)


def read_trained(folder: Path, output: Path, settings: Training) -> Changes:
    """Move what `write_trained` wrote to the stage's output, and return the changes; weights stay in files."""
    changes = Changes()
    if settings.use_full_finetuning:
        changes = Changes(replaced=StoredTensors(folder, _WEIGHTS))
    else:
        shutil.move(folder / _ADAPTER, output / _ADAPTER)
        changes = lora_changes(output / _ADAPTER)
    shutil.move(folder / SETTINGS, output / SETTINGS)
    if settings.so8t.enabled:
        shutil.move(folder / _GATES, output / _GATES)
        gates = dict(StoredTensors(output, _GATES.removesuffix(".safetensors")))
        changes = replace(changes, gates=gates, rotation=settings.so8t.rotation)
    return changes


def _saved_gates(output: Path, trainee: Trainee, settings: Training) -> dict[str, Any]:
    if trainee.gates is None:
        return {}
    gates = {name: p.detach().cpu() for name, p in trainee.gates.named_parameters().items()}
    save_gates(output / _GATES, gates, settings.so8t.rotation)
    return {"gates": gates, "rotation": settings.so8t.rotation}


def _save_adapter(adapter: Any, folder: Path, state: dict[str, Any] | None) -> None:
    """Write a PEFT adapter folder with reproducible bytes and without the base's path on this machine."""
    adapter.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False, state_dict=state)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["base_model_name_or_path"] = Path(values["base_model_name_or_path"] or "").name
    values["target_modules"] = sorted(values["target_modules"])  # PEFT keeps a set
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for file in folder.iterdir():
        file.chmod(0o644)
