"""What a GGUF file says about the training that made the model, in keys that begin with `so8t.`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from so8t_shared.config.layers import ALL, chosen_layers
from so8t_shared.labels import LABELS
from so8t_shared.models.hf_folder import read_json

Metadata = dict[str, str | list[int] | list[float] | list[str]]


def training_metadata(trained: Path, fingerprint: str = "") -> Metadata:
    """Return the metadata of a trained model from the train stage's output.

    `so8t.training` is the fingerprint of the training, left out if empty: it leads from a file to the sessions that
    use it, and unlike a session's name it keeps the bytes of a file the same wherever it is made.
    """
    training: dict[str, Any] = yaml.safe_load((trained / "training_config.yaml").read_text("utf-8"))
    found: Metadata = {
        "so8t.safety_classes": list(LABELS),
        "so8t.pet_lambda": [float(value) for value in training["pet"]["lambdas"]],
    }
    if fingerprint:
        found["so8t.training"] = fingerprint
    if training["so8t"]["enabled"]:
        total = int(read_json(trained / "merged" / "config.json")["num_hidden_layers"])
        layers = chosen_layers(training["so8t"].get("layers", ALL), range(total), total)
        found |= {"so8t.rotation": str(training["so8t"]["rotation"]), "so8t.layers": layers}
    return found


def add_metadata(writer: Any, metadata: Metadata) -> None:
    """Add the metadata to a GGUFWriter."""
    for key, value in metadata.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
