"""A quick check of models before a run. Imports nothing heavy; the conversion itself checks every tensor."""

from __future__ import annotations

from pathlib import Path

from so8t_converter.checkpoint import read_config
from so8t_converter.external import look_at
from so8t_converter.file_sizes import row_lengths
from so8t_converter.imatrix import is_measured_on, read_imatrix, refuse_gates
from so8t_shared.config.gguf import PROMPTS
from so8t_shared.config.model import Config
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.served import check_served
from so8t_shared.tables.architectures import FOREIGN_SO8T, architecture_name


def check_model_a(config: Config) -> list[str]:
    """Check model A; there are never notes.

    Raises:
        InputError: model A is on this host and cannot be converted, or not with this importance matrix.
    """
    folder = Path(config.model_a.base_model)
    if folder.is_dir():
        read_config(folder)
        _check_imatrix(config, folder)
    return []


def check_model_b(config: Config) -> list[str]:
    """Check an external model B; a note if its file is not on this host.

    Raises:
        InputError: it is no language model, has another quantization than the configuration says, or its base has
            another shape than the importance matrix.
        IntegrityError: its file is damaged.
        ServerError: its server does not answer.
    """
    if config.served_b:
        check_served(config)
    if config.gguf_b is None:
        base = Path(config.base_of_b.base_model)
        if not config.served_b and base.is_dir():
            _check_imatrix(config, base)
        return []
    if not Path(config.gguf_b).exists():
        return [f"model_b.gguf = {config.gguf_b} does not exist on this host"]
    look_at(Path(config.gguf_b), config.gguf.primary_quantization)
    return []


def _check_imatrix(config: Config, folder: Path) -> None:
    """Check the matrix as far as config.json tells; one on another host is found by the stage there."""
    named = config.gguf.imatrix
    if named is None:
        return
    if named == PROMPTS or is_measured_on(Path(named)):
        refuse_gates(folder, architecture_name(read_json(folder / "config.json")) == FOREIGN_SO8T)
    elif Path(named).is_file():
        read_imatrix(Path(named)).fitting(row_lengths(folder))
