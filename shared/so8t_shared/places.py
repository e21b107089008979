"""Paths below output_base_dir of the files that people use."""

from __future__ import annotations

import os
import re
from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.results.conversion import VOCABULARY_FILE
from so8t_shared.results.policy import POLICY_FILE
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.tables import layouts
from so8t_shared.tables.quantizations import Quantization

SHOWN_AS_VARIABLE = "SO8T_RESULTS_SHOWN_AS"
"""Path outside the container of the folder mounted as output_base_dir inside it."""
_MODEL = re.compile(rf"(?!{re.escape(VOCABULARY_FILE)})model_([ab])_(\w+)\.gguf")


def in_container() -> bool:
    """Whether this is a container of compose.yaml, whose own paths say nothing to people."""
    return SHOWN_AS_VARIABLE in os.environ


def report_file(config: Config, session_id: str, file: str) -> Path:
    """Path of a file of the report."""
    return _below(config, layouts.REPORT, session_id) / file


def model_file(config: Config, session_id: str, file: str) -> Path | None:
    """Path of a GGUF file of a conversion; None for other files, and for models that are not handed over."""
    found = _MODEL.fullmatch(file)
    layout = _layout(config)
    if not found or found[1] not in layout.sides or found[2] not in config.gguf.quantizations:
        return None
    return _below(config, layout.models, session_id, found[1]) / file


def modelfile(config: Config, session_id: str, file: str) -> Path | None:
    """Path of a Modelfile of the import stage; None for models that are not handed over."""
    layout = _layout(config)
    names: dict[Side, str] = {"a": config.ollama.model_a_name, "b": config.ollama.model_b_name}
    for side in SIDES:
        if side in layout.sides and file in {modelfile_name(names[side], q) for q in config.gguf.quantizations}:
            return _below(config, layout.modelfiles, session_id, side) / file
    return None


def policy_file(config: Config, session_id: str, file: str) -> Path | None:
    """Path of model B's policy, beside its Modelfiles; None if model B is not handed over."""
    layout = _layout(config)
    if file or "b" not in layout.sides:
        return None
    return _below(config, layout.modelfiles, session_id, "b") / POLICY_FILE


def models_beside_report(config: Config) -> str:
    """Folder of model B's Modelfiles, relative to the report's folder; empty if model B is not handed over."""
    layout = _layout(config)
    if "b" not in layout.sides:
        return ""
    folder, report = (_below(config, below, "session", "b") for below in (layout.modelfiles, layouts.REPORT))
    return Path(os.path.relpath(folder, report)).as_posix()


def modelfile_name(name: str, quantization: Quantization) -> str:
    """Name of a model's Modelfile."""
    return f"{name}.{quantization}.Modelfile"


def gguf_name(side: Side, quantization: Quantization) -> str:
    """Name of a model's GGUF file."""
    return f"model_{side}_{quantization}.gguf"


def _layout(config: Config) -> layouts.Row:
    return layouts.BY_NAME[config.output_layout]


def _below(config: Config, folder: str, session_id: str, side: str = "") -> Path:
    values = {"session": session_id, "side": side, "modelfile_dir": config.ollama.modelfile_dir}
    return Path(config.output_base_dir) / folder.format(**values)
