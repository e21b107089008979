"""What a stage needs of the host that runs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """Needs of one stage, for models of up to 4 B parameters; `execution.resources` replaces them."""

    image: str = ""
    """Name of its image, without registry and tag."""
    service: str = ""
    """Its container, and its user at the bucket."""
    cpus: int = 1
    memory_gib: int = 1
    disk_gib: int = 1
    """For scratch files, downloads and checkpoints."""
    gpus: int = 0
    """GPUs that it can use; it runs without."""
    asks: bool = False
    """Whether it talks to the Ollama server."""
    hands_over: bool = False
    """Whether it writes files for people to `output_base_dir` that a run needs."""
