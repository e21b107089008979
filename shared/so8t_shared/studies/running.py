"""Runs a study: one ordinary run after another; each resumes, and reuses what another has computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from so8t_shared.errors import Interrupted, So8tError
from so8t_shared.formatting import duration, plural
from so8t_shared.interruption import StopSignal
from so8t_shared.running.events import Listeners, Scene
from so8t_shared.running.pipeline import PipelineRun, StageFailed
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore
from so8t_shared.studies.load import LoadedStudy, PlannedMember
from so8t_shared.studies.record import record_study


@dataclass
class StudyRun:
    """One run of a study."""

    store: ArtifactStore
    loaded: LoadedStudy
    stop: StopSignal
    say: Callable[[str], None]
    jobs: int = 1
    sessions: list[Session] = field(default_factory=list)
    """One per member, in the members' order."""
    failures: dict[str, So8tError] = field(default_factory=dict)
    """What ended a member's run, by the member's name."""
    _computed_s: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Run every member that is not complete; one that fails does not keep the others from running.

        Raises:
            Interrupted: a signal came; the same study resumes.
            So8tError: the store cannot be read or written.
        """
        members = self.loaded.members
        self.sessions = [open_session(self.store, member.config) for member in members]
        record_study(self.store, self.loaded, [session.session_id for session in self.sessions])
        for number, (member, session) in enumerate(zip(members, self.sessions, strict=True), start=1):
            self.stop.check()
            self.say(f"{number} of {len(members)}: {member.name} (session {session.session_id}){self._left(number)}")
            self._run_member(member, session)

    def _run_member(self, member: PlannedMember, session: Session) -> None:
        began = time.monotonic()
        try:
            with Listeners("run").open(Scene(STAGES)) as listeners:
                run = PipelineRun(self.store, session, list(STAGES), listeners, self.stop, jobs=self.jobs)
                run.run()
        except Interrupted:
            raise
        except StageFailed as error:
            if error.exit_code == Interrupted.exit_code:
                raise
            self.failures[member.name] = error
            self.say(f"{member.name} failed: {error.what} The others continue.")
            return
        if run.computed:
            self._computed_s.append(time.monotonic() - began)

    def _left(self, number: int) -> str:
        """Time left, once a member has been computed; a member to be reused counts as much."""
        if not self._computed_s:
            return ""
        left = len(self.loaded.members) - number + 1
        mean = sum(self._computed_s) / len(self._computed_s)
        return f", at most {duration(left * mean)} left for {left} {plural(left, 'model', 'models')}"


def first_failure(failures: Sequence[So8tError], count: int) -> So8tError:
    """One error for all failed members, with the exit code of the first."""
    first = failures[0]
    return StageFailed(
        f"{len(failures)} of {count} models failed.",
        where="\n".join(f"    - {failure.what} {failure.where}" for failure in failures),
        remedy=first.remedy or "run the same command again",
        exit_code=first.exit_code,
    )
