"""The plan of the test before a run: what it can find, and which clauses of the gate it can decide."""

from __future__ import annotations

from collections.abc import Sequence

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.config.model import AbTest, Config
from so8t_shared.planning.plan import PlannedStage
from so8t_shared.results.plan import TestPlan
from so8t_shared.results.training import LabeledRow
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.functions import named

_EXPECTED_ROWS = "so8t_trainer.data.expected:expected_test_rows"
_PLAN = "so8t_evaluator.testing_plan:plan_rows"


def plan_of_test(
    config: Config, store: ArtifactStore | None = None, planned: Sequence[PlannedStage] = ()
) -> TestPlan | None:
    """Plan the test on the rows that a finished training held out, or else on about the rows that one will hold out.

    None if the rows are not known yet, or the packages that plan are not installed here.

    Raises:
        InputError: a row is unusable.
        IntegrityError: the rows in the store are damaged.
    """
    held_out = _held_out(store, planned) if store else None
    rows = held_out or _expected(config)
    found = plan_of_rows(rows or [], config.ab_test)
    return found if held_out or found is None else found.model_copy(update={"about": True})


def plan_of_rows(rows: Sequence[LabeledRow], settings: AbTest) -> TestPlan | None:
    """Plan the test on these rows; None without rows, or if the packages that plan are not installed here."""
    plan_rows = named(_PLAN)
    if plan_rows is None or not rows:
        return None
    found: TestPlan = plan_rows(rows, settings)
    return found


def _expected(config: Config) -> list[LabeledRow] | None:
    expected_test_rows = named(_EXPECTED_ROWS)
    return list(expected_test_rows(config) or []) if expected_test_rows else None


def _held_out(store: ArtifactStore, planned: Sequence[PlannedStage]) -> list[LabeledRow] | None:
    train = next((line for line in planned if (line.stage.name, line.action) == ("train", "reuse")), None)
    if train is None or train.fingerprint is None:
        return None
    artifact = Artifact(store, "train", train.fingerprint)
    manifest = artifact.manifest()
    if manifest is None:
        return None
    path = artifact.materialize(manifest, ("splits/test.jsonl",)) / "splits/test.jsonl"
    return LabeledRow.read_lines(path) if path.is_file() else None
