"""The pipeline up to the report: upstreams that leave prepared files, run by the real runner."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.unit.reporter.builders_upstream import Folders

from so8t_reporter.stages import report
from so8t_shared.config.model import Config
from so8t_shared.interruption import StopSignal
from so8t_shared.running.context import StageContext, StageFunction
from so8t_shared.running.events import Listeners
from so8t_shared.running.runner import Outcome, StageRun
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.open import open_store


@dataclass
class Pipeline:
    """A store in which every stage before the report is done, for any configuration."""

    root: Path
    folders: Folders

    def config(self, **sections: object) -> Config:
        return Config.model_validate(
            {
                "model_a": {"base_model": str(self.root / "model"), "description": "<the> base"},
                "dataset": {"paths": [str(self.root / "rows.jsonl")]},
                "checkpoint_dir": str(self.root / "store"),
                "output_base_dir": str(self.root / "results"),
                "visualization": {"dpi": 40},
                **sections,
            }
        )

    def run(self, config: Config, function: StageFunction = report, stop: StopSignal | None = None) -> Outcome:
        store = open_store(config)
        session = open_session(store, config)
        before = {
            "convert-a": self.folders.convert_a,
            "train": self.folders.train,
            "convert-b": self.folders.convert_b,
            "import": self.folders.imported,
            "evaluate": self.folders.evaluate,
            "conclude": self.folders.conclude,
        }
        for name, folder in before.items():
            run = StageRun(stage_named(name), session, store, listeners=Listeners("child"), stop=StopSignal())
            run.run(lambda folder=folder: leaves(folder))
        run = StageRun(stage_named("report"), session, store, listeners=Listeners("child"), stop=stop or StopSignal())
        return run.run(lambda: function)


def leaves(folder: Path) -> Callable[[StageContext], None]:
    """A stage whose whole work is to leave the files of `folder`."""

    def work(ctx: StageContext) -> None:
        shutil.copytree(folder, ctx.output_dir, dirs_exist_ok=True)

    return work


def prepared(root: Path, folders: Folders) -> Pipeline:
    """A pipeline below `root`, with prepared files behind every upstream stage."""
    (root / "model").mkdir()
    (root / "model" / "config.json").write_text("{}")
    (root / "rows.jsonl").write_text("{}\n")
    return Pipeline(root, folders)
