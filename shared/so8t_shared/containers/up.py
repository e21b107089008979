"""The full profile: started in the background, watched until the report, stopped if a stage fails for good."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

from so8t_shared.containers import demo
from so8t_shared.containers.checks import check_before_start, check_images
from so8t_shared.containers.engine import ContainerFailed, Engine
from so8t_shared.containers.images import build_images, choose_images
from so8t_shared.containers.inputs import chosen_configuration
from so8t_shared.containers.keys import STAGES, make_keys
from so8t_shared.containers.settings import compose_environment
from so8t_shared.errors import Interrupted
from so8t_shared.formatting import duration

_INIT = "minio-init"
"""Not there if the bucket is elsewhere."""
_REPORTER = "reporter"
_OF_COMPOSE = b"\r\x1b[K"
"""Start of a line in which compose itself tells of a container's end, whatever its options."""
_LAST_LINES_S = 1.0
"""Until the lines of a stage that has ended are here."""
_INPUT, _UPSTREAM, _INTERRUPTED, _KILLED = 2, 3, 75, 137
_CHATTER = ("Container ", "Network ", "Volume ")
_STATE = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.State.ExitCode}}'
_END = '{{index .Actor.Attributes "com.docker.compose.service"}} {{.Actor.Attributes.exitCode}}'


@dataclass(frozen=True)
class _State:
    """A container's state, and the exit code of its last end."""

    status: str
    code: int

    def __str__(self) -> str:
        return f"exited with {self.code}" if self.status == "exited" else self.status


@dataclass
class _Run:
    """One `up`, from its start to the end of its last stage."""

    engine: Engine
    project: str
    say: Callable[[str], None]
    follow: bool = False
    began: float = field(default_factory=time.time)
    ids: list[str] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)

    def find(self) -> None:
        """Remember the containers of the stages."""
        for service in (_INIT, *STAGES):
            filters = [f"label=com.docker.compose.project={self.project}"]
            filters += [f"label=com.docker.compose.service={service}", "label=com.docker.compose.oneoff=False"]
            options = [part for text in filters for part in ("--filter", text)]
            self.ids += self.engine.run(["docker", "ps", "--all", "--quiet", *options]).stdout.split()

    def states(self) -> dict[str, _State]:
        """State of every stage; empty while the engine does not answer."""
        done = self.engine.run(["docker", "inspect", "--format", _STATE, *self.ids])
        rows = [line.split() for line in done.stdout.splitlines()]
        return {row[0]: _State(row[1], int(row[2])) for row in rows if len(row) == 3}

    def show(self, states: dict[str, _State]) -> None:
        """Say a line for each state that has changed; a stage that is followed tells its good ones itself."""
        for service, state in states.items():
            if self.shown.get(service) != str(state):
                self.shown[service] = str(state)
                if not (self.follow and (state.status in {"created", "running"} or state.code == 0)):
                    self.say(f"{service}: {state}")

    def failed(self, states: dict[str, _State]) -> tuple[str, int] | None:
        """The stage that failed for good, and its code.

        One that exited with 2, which no restart fixes, or one whose restarts are used up. Exit code 3 reports another
        stage's failure, so that stage is preferred.
        """
        ends = self._ends()
        cause: tuple[str, int] | None = None
        follower: tuple[str, int] | None = None
        for stage in (_INIT, *STAGES):
            if (stage, _INPUT) in ends:
                return stage, _INPUT
            state = states.get(stage)
            if state and state.status in {"exited", "dead"} and state.code:
                if state.code != _UPSTREAM:
                    return stage, state.code
                follower = follower or (stage, state.code)
            of_its_own = [end for end in ends if end[0] == stage and end[1] not in {0, _UPSTREAM, _INTERRUPTED}]
            cause = cause or (of_its_own[-1] if of_its_own else None)
        return (cause or follower) if follower else None

    def logs(self, *arguments: str) -> list[str]:
        """The command that shows what stages have printed since the start."""
        options = ["--no-color", "--no-log-prefix", "--since", str(int(self.began))]
        return self.engine.compose("--ansi", "never", "--profile", "full", "logs", *options, *arguments)

    def _ends(self) -> list[tuple[str, int]]:
        """Every exit of a stage since the start, oldest first; restarts hide them from `states`."""
        window = ["--since", str(int(self.began)), "--until", str(int(time.time()))]
        filters = ["--filter", "event=die", "--filter", f"label=com.docker.compose.project={self.project}"]
        done = self.engine.run(["docker", "events", *window, *filters, "--format", _END])
        rows = [line.split() for line in done.stdout.splitlines()]
        return [(row[0], int(row[1])) for row in rows if len(row) == 2]


def up(engine: Engine, say: Callable[[str], None], *, limit_s: float, follow: bool = False, build: bool = False) -> str:
    """Start the full profile, wait for the report, and return what the reporter printed.

    With `follow`, the stages' own lines are shown as they come; with `build`, keys and images are made first.

    Raises:
        InputError, ConfigError, ServerError: something is missing, see `check_before_start`.
        ContainerFailed: a stage failed for good (the others are stopped), or the time is over.
        Interrupted: Ctrl-C.
    """
    project = _prepared(engine, say, build=build)
    run = _Run(engine, project, say, follow)
    say("starting MinIO, Ollama and the stages ...")
    _start(engine)
    run.find()
    try:
        with _followed(run) if follow else _unseen():
            cause = _wait(run, limit_s)
    except KeyboardInterrupt as error:
        raise Interrupted(
            "The stages continue in their containers.",
            where="docker ps",
            remedy="run the same command again to follow them; python deploy/start.py -- down stops them",
        ) from error
    if cause:
        _stop(run, *cause)
    return _last_words(engine)


def _prepared(engine: Engine, say: Callable[[str], None], *, build: bool) -> str:
    """Check what must be there, the quick checks first, and with `build` make it; return the project's name."""
    if build:
        make_keys(say)
    make_demo = build and demo.is_chosen() and not demo.is_there(Path(demo.FOLDER))
    project = str(check_before_start(engine, demo_follows=make_demo)["name"])
    if config := chosen_configuration():
        choose_images(config)
    if engine.instead:
        say("Docker has no NVIDIA GPU: training runs on the CPU.")
    if build:
        build_images(engine, say)
    else:
        check_images(engine)
    if make_demo:
        demo.make_demo_inputs(engine, say)
    return project


def down(engine: Engine, *, volumes: bool) -> None:
    """Stop and remove all containers; with `volumes`, the bucket, the models and the scratch volumes, too.

    Raises:
        ContainerFailed: compose failed; its words are on standard error.
    """
    engine.check_compose()
    more = ["--volumes"] if volumes else []
    done = engine.run(engine.compose("--profile", "*", "down", "--remove-orphans", *more), timeout_s=None)
    sys.stderr.write(done.stderr)
    if done.returncode:
        raise _failure("The containers could not be removed.", done.returncode)


def _start(engine: Engine) -> None:
    done = engine.run(engine.compose("--progress", "plain", "--profile", "full", "up", "--detach"), timeout_s=None)
    lines = [line for line in done.stderr.splitlines() if not line.strip().startswith(_CHATTER)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    if done.returncode:
        raise _failure("The containers could not be started.", 1)


def _wait(run: _Run, limit_s: float) -> tuple[str, int] | None:
    """Wait until all stages are done, or one has failed for good: it is returned, with its code."""
    while time.time() - run.began < limit_s:
        states = run.states()
        run.show(states)
        if failed := run.failed(states):
            return failed
        if all((state := states.get(stage)) and (state.status, state.code) == ("exited", 0) for stage in STAGES):
            return None
        time.sleep(1)
    raise ContainerFailed(
        f"The stages are not done after {duration(limit_s)}; they are still running.",
        where="UP_TIMEOUT_S",
        remedy="watch them with docker compose logs --follow, or run the same command again to keep waiting",
        exit_code=_INTERRUPTED,
    )


def _stop(run: _Run, stage: str, code: int) -> None:
    if not run.follow:
        done = run.engine.run(run.logs("--tail", "12", stage))
        sys.stderr.write(done.stdout + done.stderr)
    run.engine.run(run.engine.compose("--profile", "full", "stop", *STAGES), timeout_s=None)
    if code == _KILLED:
        raise ContainerFailed(
            f"{stage} was killed (exit code {code}); the other stages were stopped.",
            where="docker inspect, OOMKilled",
            remedy="raise SO8T_MEMORY in .env if memory ran out; then run the same command again: it resumes",
            exit_code=code,
        )
    raise _failure(f"{stage} failed with exit code {code}; the other stages were stopped.", code)


def _failure(what: str, code: int) -> ContainerFailed:
    remedy = "fix the cause, then run the same command again: finished work is kept"
    return ContainerFailed(what, where="the lines above", remedy=remedy, exit_code=code)


def _last_words(engine: Engine) -> str:
    """The reporter's output before its last exit: the table, the sentence, and as the last line the report's place."""
    logs = engine.compose("--profile", "full", "logs", "--no-color", "--no-log-prefix", "reporter")
    said: list[str] = []
    for line in engine.run(logs).stdout.splitlines(keepends=True):
        said = [line] if line.startswith("report: ") else [*said, line]
    return "".join(said)


@contextmanager
def _followed(run: _Run) -> Iterator[None]:
    """Show the stages' lines while the block runs; the reporter's last ones come at the end."""
    command = run.logs("--follow", *(stage for stage in STAGES if stage != _REPORTER))
    environment = compose_environment(cpu=run.engine.cpu)
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        shower = Thread(target=_show_lines, args=(process.stdout, run.say), daemon=True)
        shower.start()
        try:
            yield
            time.sleep(_LAST_LINES_S)
        finally:
            process.terminate()
            shower.join()


def _show_lines(lines: IO[bytes], say: Callable[[str], None]) -> None:
    for line in lines:
        if line.strip() and not line.startswith(_OF_COMPOSE):
            say(line.decode("utf-8", "replace").rstrip())


@contextmanager
def _unseen() -> Iterator[None]:
    yield
