"""Studies written out: members' answers as their sessions leave them, from simulated right and wrong answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.evaluator.material import make_samples

from so8t_evaluator.conclude import Evidence, conclude
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import SAMPLES_FILE
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import EVALUATION_FILE, AnswerLimit, EngineInfo
from so8t_shared.results.study import MODEL_A
from so8t_shared.studies.member import StudyArm, StudyMember, StudyTask

SETTINGS = AbTest(bootstrap_resamples=100, scoring=["generate"])
_WRONG = {"ALLOW": "DENY", "ESCALATION": "ALLOW", "DENY": "REFUSE", "REFUSE": "ALLOW"}

Said = Sequence[str]


@dataclass
class StudyFiles:
    """A study whose members' folders are written below `folder`; every member was asked the same rows as `a`."""

    folder: Path
    gold: Said
    a: Said
    group_size: int = 1
    arms: list[StudyArm] = field(default_factory=list)
    members: list[StudyMember] = field(default_factory=list)

    def add(self, arm: str, answers: Mapping[int | None, Said], **overrides: str) -> None:
        """Add an arm; the seed None is an external model's."""
        external = None in answers
        keys = {key.replace("__", "."): value for key, value in overrides.items()}
        self.arms.append(StudyArm(arm, f"what {arm} is", keys, external))
        for seed, said in answers.items():
            self._write(arm, seed, said)

    def task(self, families: Mapping[str, Sequence[tuple[str, str]]] | None = None, **other: Any) -> StudyTask:
        """What the judging reads; by default all arms against A are one family."""
        declared = families or {"against A": [(arm.name, MODEL_A) for arm in self.arms]}
        values: dict[str, Any] = {"reference": "", "settings": SETTINGS, "primary": "q4_k_m", **other}
        return StudyTask(name="a study", arms=self.arms, members=self.members, families=declared, **values)

    def _write(self, arm: str, seed: int | None, said: Said) -> None:
        folder = self.folder / f"member-{len(self.members)}"
        folder.mkdir(parents=True)
        samples = [
            sample.model_copy(update={"group": str(i // self.group_size)})
            for side, answers in (("a", self.a), ("b", said))
            for i, sample in enumerate(make_samples(self.gold, answers, model=side))
        ]
        (folder / SAMPLES_FILE).write_bytes(b"".join(sample.to_bytes() + b"\n" for sample in samples))
        asking = Asking(
            primary_quantization="q4_k_m",
            quantizations=["q4_k_m"],
            scorings=["generate"],
            engine=EngineInfo(name="none", version="0", settings={}),
            answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
            speed=[],
        )
        (folder / EVALUATION_FILE).write_bytes(conclude(Evidence(asking, samples, []), SETTINGS).to_bytes())
        seconds = {"convert-a": 60.0 if not self.members else 0.0, "train": 100.0, "evaluate": 20.0}
        self.members.append(StudyMember(arm, seed, f"session-{len(self.members)}", folder, seconds))


def gold_of(rows: int) -> list[str]:
    """Every class equally often."""
    return [LABELS[i % 4] for i in range(rows)]


def said_of(gold: Said, right: Sequence[bool] | np.ndarray) -> list[str]:
    """The right class, or the one that is usually confused with it."""
    return [g if ok else _WRONG[g] for g, ok in zip(gold, right, strict=True)]
