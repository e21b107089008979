"""What a service's process is asked to measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from so8t_shared.documents import Part
from so8t_shared.progress import Progress
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.rungs import Kind


class RungOrder(Part):
    """One rung, and the roundings of the same model that explain later hand-overs."""

    rung: str
    """Names its files."""
    keys: dict[str, str]
    """Keys of the records to write, by rung: this one, and `rounding_name` of each rounding that is missing."""
    folder: str
    """Where records and arrays are written."""
    rows: str
    """File with the rows (LabeledRow)."""
    model: str
    """Checkpoint folder or GGUF file."""
    sha256: str = ""
    """Of the GGUF file, or the digest under which a server lists the model."""
    served: str = ""
    """Name of the model on a server; `model` is the file whose tokenizer it has."""
    server: str = ""
    """Address of that server."""
    trained: str = ""
    """Folder with adapter/, gates.safetensors and training_config.yaml, or a PEFT adapter's own."""
    quantization: str = ""
    end_of_turn: str
    """The text with which the model was trained to end an answer."""
    context: int = 0
    """Tokens of context of an engine."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None

    def labeled_rows(self) -> list[LabeledRow]:
        """Read the rows."""
        return LabeledRow.read_lines(Path(self.rows))


Work = Callable[[RungOrder, Progress], None]


def rounding_name(rounding: str) -> str:
    """Return the name of the record of a rounded model."""
    return f"rounded-{rounding}"


class LadderStep(Part):
    """A rung of a ladder, and the rung that it was made from."""

    rung: str
    title: str
    kind: Kind
    quantization: str = ""
    before: str = ""
    """Empty for the first rung."""
