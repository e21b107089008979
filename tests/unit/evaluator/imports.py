"""The import stage after conversions of tiny real models, by the real runner."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.evaluator.material import make_chat
from tests.unit.reporter.pipeline import leaves
from tests.unit.shared.material import Events, make_config, make_inputs, stage_run, write
from tests.unit.shared.processes import kill_self

from so8t_engines import hearing
from so8t_evaluator.stages import import_models
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.config.model import Config
from so8t_shared.json_files import write_json
from so8t_shared.places import gguf_name
from so8t_shared.results.sides import Side
from so8t_shared.results.training import Targets
from so8t_shared.results.verification import VERIFICATIONS, Verification
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.open import open_store
from so8t_shared.tables.quantizations import ORDER

KILLED_AT = 30
"""Texts: of four files of 24 texts, the first is done and the second in work."""


class Imports:
    """A store, and two folders with what the conversions leave, a and b."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events = Events()
        """Of the last import."""

    def make(self, a: Sequence[Path], b: Sequence[Path]) -> Imports:
        """Lay down the inputs; each file's name ends in its quantization."""
        make_inputs(self.root)
        (self.root / "train" / "splits").mkdir(parents=True)
        write_json(self.root / "train" / "splits" / "targets.json", Targets(longest_tokens=9))
        self.leave("a", a)
        self.leave("b", b)
        return self

    def leave(self, side: Side, files: Sequence[Path]) -> None:
        """Replace the files of a model."""
        folder = self.root / side
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_json(folder / "chat.json", make_chat(context_length=512))
        for file in files:
            shutil.copy(file, folder / gguf_name(side, next(q for q in ORDER if file.stem.endswith(q))))
        write(self.root / "train" / "merged", {side: b"".join(file.read_bytes()[-64:] for file in files)})

    def config(self, *quantizations: str, **sections: Any) -> Config:
        """One thread, no GPU."""
        return make_config(
            self.root,
            device="cpu",
            gguf={"quantizations": list(quantizations or ("f16", "q8_0")), **sections.pop("gguf", {})},
            ab_test={"threads": 1, **sections.pop("ab_test", {})},
            **sections,
        )

    def run(self, config: Config) -> dict[str, Verification]:
        """Import; return the documents by name."""
        output = self.output(config)
        return {name: Verification.read(output / name) for name in VERIFICATIONS.values() if (output / name).is_file()}

    def output(self, config: Config) -> Path:
        """Import; return the stage's output."""
        store = open_store(config)
        session = open_session(store, config)
        folders = {"convert-a": self.root / "a", "train": self.root / "train", "convert-b": self.root / "b"}
        for name, folder in folders.items():
            stage_run(stage_named(name), session, store).run(lambda folder=folder: leaves(folder))
        self.events = Events()
        outcome = stage_run(stage_named("import"), session, store, listeners=self.events).run(lambda: import_models)
        return Artifact(store, "import", outcome.fingerprint).materialize(outcome.manifest)


def die_while_verifying(root: Path) -> None:
    """Import in this process, one position per text, and kill it on the way."""
    patched = pytest.MonkeyPatch()
    patched.setattr(hearing, "_PLACES", 1)
    report = StageContext.progress

    def progress(self: StageContext, done: int, total: int, message: str = "") -> None:
        report(self, done, total, message)
        if message.startswith("verifying") and done == KILLED_AT:
            kill_self()

    patched.setattr(StageContext, "progress", progress)
    imports = Imports(root)
    imports.run(imports.config())


if __name__ == "__main__":
    die_while_verifying(Path(sys.argv[1]))
