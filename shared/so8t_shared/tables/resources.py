"""What each stage needs of the host that runs it: image, cores, memory, disk, GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class Row:
    """Needs of one stage, for models of up to 4 B parameters; `execution.resources` replaces the figures."""

    stage: str
    image: str
    """Name of its image, without registry and tag."""
    service: str
    """Its container, and its user at the bucket."""
    cpus: int
    memory_gib: int
    disk_gib: int
    """For scratch files, downloads and checkpoints."""
    gpus: int = 0
    """GPUs that it can use; it runs without."""
    asks: bool = False
    """Whether it talks to the Ollama server; convert-b does about a model B that is there."""
    hands_over: bool = False
    """Whether it writes files for people to `output_base_dir` that are in no artifact's place."""
    larger: str = ""
    """Name of its image where it starts code of other services, see `Stage.starts`."""
    larger_for: str = ""
    """The key that has it start that code."""
    chosen_by: str = ""
    """Variable of compose.yaml that names one of the two images."""


ROWS: tuple[Row, ...] = (
    Row("convert-a", "converter", "converter-a", cpus=2, memory_gib=16, disk_gib=60),
    Row("train", "trainer", "trainer", cpus=4, memory_gib=48, disk_gib=120, gpus=1),
    Row("convert-b", "converter", "converter-b", cpus=2, memory_gib=16, disk_gib=80, asks=True),
    Row("import", "evaluator", "importer", cpus=4, memory_gib=24, disk_gib=80, gpus=1, asks=True, hands_over=True),
    Row(
        "evaluate",
        "evaluator",
        "evaluator",
        cpus=4,
        memory_gib=24,
        disk_gib=80,
        gpus=1,
        asks=True,
        larger="climber",
        larger_for="ab_test.ladder",
        chosen_by="SO8T_EVALUATOR",
    ),
    Row("conclude", "evaluator", "concluder", cpus=1, memory_gib=4, disk_gib=5),
    Row("report", "reporter", "reporter", cpus=1, memory_gib=4, disk_gib=5, hands_over=True),
)

BY_STAGE = {row.stage: row for row in ROWS}

if TYPE_CHECKING:
    StageName = str
else:
    StageName = Literal[tuple(BY_STAGE)]
