"""What a study would run: the grid of arms and seeds, with what is reused, shared, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from so8t_shared.formatting import duration, plural
from so8t_shared.planning.disk import Disk, plan_disks
from so8t_shared.planning.plan import PlannedStage, make_plan
from so8t_shared.sessions.session import find_session
from so8t_shared.store.base import ArtifactStore
from so8t_shared.studies.grid import stage_seconds
from so8t_shared.studies.load import LoadedStudy, PlannedMember


@dataclass(frozen=True)
class MemberPlan:
    """What one member would do."""

    member: PlannedMember
    stages: tuple[PlannedStage, ...]
    shared: frozenset[str]
    """Stages that would not be reused now, but will be: an earlier member computes the same."""

    @property
    def to_run(self) -> set[str]:
        """Stages that this member computes."""
        return {line.stage.name for line in self.stages if line.action != "reuse"} - self.shared

    @property
    def reused(self) -> set[str]:
        """Stages that are already computed."""
        return {line.stage.name for line in self.stages if line.action == "reuse"}


@dataclass(frozen=True)
class StudyPlan:
    """What the members would do, in the order in which they run."""

    members: tuple[MemberPlan, ...]
    seconds: dict[str, float]
    """Mean seconds of each stage that a member of this study has computed."""

    def sentences(self) -> list[str]:
        """Return what would run, and how long it takes as far as that is known."""
        runs = sum(len(each.to_run) for each in self.members)
        shared = sum(len(each.shared) for each in self.members)
        reused = sum(len(each.reused) for each in self.members)
        n = len(self.members)
        told = [
            f"{n} {plural(n, 'model', 'models')}: {runs} {plural(runs, 'stage runs', 'stages run')},"
            f" {reused} reused, {shared} shared with an earlier model. A answers each row twice, the second time"
            " as the A/A control."
        ]
        if not runs:
            return told
        unknown = sorted({name for each in self.members for name in each.to_run} - set(self.seconds))
        if unknown:
            return [*told, "The time is known once the first model is complete."]
        total = sum(self.seconds[name] for each in self.members for name in each.to_run)
        return [*told, f"That takes about {duration(total)}, by the stages that this study has computed."]


def plan_study(store: ArtifactStore, loaded: LoadedStudy) -> StudyPlan:
    """Decide for each member's stages whether they would run, resume, or be reused.

    Raises:
        InputError: a model or data set is missing.
    """
    planned: list[MemberPlan] = []
    coming: set[str] = set()
    for member in loaded.members:
        stages = tuple(make_plan(store, member.config))
        unmade = {line.fingerprint for line in stages if line.action != "reuse" and line.fingerprint}
        shared = {line.stage.name for line in stages if line.action != "reuse" and line.fingerprint in coming}
        planned.append(MemberPlan(member, stages, frozenset(shared)))
        coming |= unmade
    return StudyPlan(tuple(planned), _known_seconds(store, loaded))


def disks_of(store: ArtifactStore, planned: StudyPlan) -> list[Disk]:
    """What all members together write, by disk."""
    found: dict[tuple[str, ...], Disk] = {}
    for each in planned.members:
        mine = [line for line in each.stages if line.stage.name not in each.shared]
        for disk in plan_disks(each.member.config, store, mine):
            key = tuple(sorted(map(str, disk.folders)))
            known = found.get(key)
            written = (*known.written, *disk.written) if known else disk.written
            found[key] = Disk(disk.folders, disk.free_bytes, written)
    return list(found.values())


def _known_seconds(store: ArtifactStore, loaded: LoadedStudy) -> dict[str, float]:
    """Mean seconds of each stage over the members that computed it."""
    measured: dict[str, list[float]] = {}
    for member in loaded.members:
        session = find_session(store, member.config)
        for stage, seconds in (stage_seconds(store, session) if session else {}).items():
            if seconds:
                measured.setdefault(stage, []).append(seconds)
    return {stage: fmean(values) for stage, values in measured.items()}
