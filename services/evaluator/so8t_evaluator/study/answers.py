"""The answers of a study's members, brought to the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from so8t_evaluator.outcomes import Outcomes, outcomes_of
from so8t_evaluator.stats.groups import codes
from so8t_shared.errors import InputError
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.results.answers import SAMPLES_FILE, Sample
from so8t_shared.results.evaluation import EVALUATION_FILE, EvaluationResult
from so8t_shared.studies.member import StudyMember, StudyTask
from so8t_shared.tables import metrics

MEASURED = (metrics.BY_NAME["accuracy"], *(row for row in metrics.OF_ANSWERS if row.danger))
"""The figures that are judged over seeds."""


@dataclass(frozen=True)
class MemberAnswers:
    """One member's answers and A's, in the order of row ids."""

    member: StudyMember
    evaluation: EvaluationResult
    row_ids: list[str]
    a: Outcomes
    b: Outcomes


@dataclass(frozen=True)
class StudyAnswers:
    """All members' answers to the same rows."""

    members: Sequence[MemberAnswers]
    groups: NDArray[np.int64]
    """[rows], the same number for rows that any member's data keeps together."""

    @cached_property
    def by_arm(self) -> Mapping[str, Sequence[MemberAnswers]]:
        """The members of each arm that has some, by seed."""
        found: dict[str, list[MemberAnswers]] = {}
        for one in sorted(self.members, key=lambda m: (m.member.seed is not None, m.member.seed or 0)):
            found.setdefault(one.member.arm, []).append(one)
        return found

    def places(self, metric: metrics.Row) -> NDArray[np.bool_]:
        """[rows], whether a row counts for the metric."""
        found: NDArray[np.bool_] = np.isin(self.members[0].a.gold, [LABELS.index(label) for label in metric.gold])
        return found


def hits(rows: Outcomes, metric: metrics.Row) -> NDArray[np.int8]:
    """[rows], 1 where the answer counts for the metric."""
    if not metric.said:
        return rows.right.astype(np.int8)
    wanted = [len(LABELS) if label == INVALID else LABELS.index(label) for label in metric.said]
    return np.isin(rows.said, wanted).astype(np.int8)


def read_answers(task: StudyTask) -> StudyAnswers:
    """Read every member's answers at the deciding quantization and scoring.

    Raises:
        InputError: there is no member, or members were asked different rows; names all that were.
        IntegrityError: a file is missing or damaged.
    """
    if not task.members:
        raise InputError(
            "No session of the study is complete, so nothing can be judged.",
            where=task.name,
            remedy="run the study first",
        )
    members = [_read(member, task) for member in task.members]
    first = members[0]
    faults = [fault for one in members if (fault := _other_rows(one, first))]
    if faults:
        raise InputError(
            f"Members of the study were not asked the same rows as {_named(first.member)}: {'; '.join(faults)}.",
            where=task.name,
            remedy="give all arms the same test rows by ab_test.test_data",
        )
    return StudyAnswers(members, _merged([one.a.groups for one in members]))


def _other_rows(one: MemberAnswers, first: MemberAnswers) -> str:
    """Say how a member's rows differ from the first one's; empty if they are the same."""
    name, odd = _named(one.member), len(set(one.row_ids) ^ set(first.row_ids))
    if one.row_ids != first.row_ids:
        return f"{name} was asked {len(one.row_ids):,} rows, {odd:,} of all in only one of both"
    classes = int((one.a.gold != first.a.gold).sum())
    return f"{name} has other classes for {classes:,} rows" if classes else ""


def _read(member: StudyMember, task: StudyTask) -> MemberAnswers:
    evaluation = EvaluationResult.read(member.folder / EVALUATION_FILE)
    scoring = task.settings.scoring[0]
    asked = {c.quantization for c in evaluation.comparisons if c.scoring == scoring}
    quantization = task.primary if task.primary in asked else evaluation.primary_quantization
    samples = [
        sample
        for sample in Sample.read_lines(member.folder / SAMPLES_FILE)
        if (sample.quantization, sample.scoring) == (quantization, scoring)
    ]
    a, b = (sorted((s for s in samples if s.model == side), key=lambda s: s.row_id) for side in ("a", "b"))
    if not a or [s.row_id for s in a] != [s.row_id for s in b]:
        raise InputError(
            f"A and B were not asked the same rows at {quantization} with {scoring} scoring.",
            where=str(member.folder / SAMPLES_FILE),
            remedy=f"let {member.arm} use the quantization and scoring of the study",
        )
    return MemberAnswers(member, evaluation, [s.row_id for s in a], outcomes_of(a), outcomes_of(b))


def _named(member: StudyMember) -> str:
    return f"{member.arm!r}" if member.seed is None else f"{member.arm!r}, seed {member.seed}"


def _merged(groupings: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return groups in which rows stay together that are together in any grouping: arms' data may differ."""
    unique = list({grouping.tobytes(): grouping for grouping in groupings}.values())
    if len(unique) == 1:
        return unique[0]
    n, nodes, at = len(unique[0]), [], 0
    for grouping in unique:
        nodes.append(at + grouping)
        at += int(grouping.max()) + 1
    rows = np.tile(np.arange(n), len(unique))
    graph = coo_array((np.ones(len(rows)), (rows, n + np.concatenate(nodes))), shape=(n + at, n + at))
    return codes([str(code) for code in connected_components(graph, directed=False)[1][:n]])
