"""A stage as a child process, started by a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.config.model import Config
from so8t_shared.files import storage_errors
from so8t_shared.processes import kill_group
from so8t_shared.redaction import without_secrets
from so8t_shared.running.child import Order
from so8t_shared.running.executor import Hearing
from so8t_shared.running.pipe import read_events
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

_TAIL_LETTERS = 4000
_DRAIN_S = 2.0
"""Time allowed for reading the last events after the process has ended."""


class LocalExecutor:
    """Starts stages as processes of this host."""

    def __init__(self, root: Path) -> None:
        """`root` is the store's local folder."""
        self._root = root

    def start(self, stage: Stage, session: Session, key: Key, hear: Hearing) -> StageProcess:
        """Start a process; see `Executor.start`."""
        output = self._root / "output" / session.session_id / f"{stage.name}.txt"
        return StageProcess(stage, session, key, output, hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held: a run waits for its stages."""


def open_local(config: Config, store: ArtifactStore) -> LocalExecutor:  # noqa: ARG001 - needs no setting
    """The executor of this host."""
    return LocalExecutor(store.local_root)


class StageProcess:
    """One running stage; passes its events to `hear`, then None when the process has ended."""

    def __init__(self, stage: Stage, session: Session, key: Key, output: Path, hear: Hearing) -> None:
        self.stage = stage
        self._output = output
        self.was_asked = False
        """Whether it has been asked to stop."""
        self.last_error = ""
        """The last error that it reported over the pipe, which works on a full disk too."""
        reading, writing = os.pipe()
        try:
            with storage_errors(output):
                output.parent.mkdir(parents=True, exist_ok=True)
                with output.open("wb") as file:
                    self._process = subprocess.Popen(
                        [sys.executable, "-m", "so8t_shared.running.child", stage.name],  # the name is for `ps`
                        stdin=subprocess.PIPE,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        pass_fds=(writing,),
                        start_new_session=True,  # Ctrl-C reaches only the pipeline, which forwards it once
                    )
        finally:
            os.close(writing)
        self._give_order(session, key, writing)
        self._reader = threading.Thread(target=self._listen, args=(reading, hear), daemon=True)
        self._watcher = threading.Thread(target=self._watch, args=(hear,), daemon=True)
        self._reader.start()
        self._watcher.start()

    def ask_to_stop_once(self) -> None:
        """Send SIGTERM, at most once: the stage saves a checkpoint and ends. (A second SIGTERM would kill it.)"""
        if not self.was_asked and self._process.poll() is None:
            self.was_asked = True
            self._process.terminate()

    def wait(self) -> int:
        """Wait for the process to end; return its exit code, or minus the signal's number if a signal ended it."""
        code = self._process.wait()
        self._watcher.join()
        return code

    def last_output(self) -> str:
        """The last output of the process and its libraries, without secrets."""
        data = self._output.read_bytes() if self._output.is_file() else b""
        return without_secrets(data.decode("utf-8", "replace"))[-_TAIL_LETTERS:].strip()

    def _give_order(self, session: Session, key: Key, pipe: int) -> None:
        order = Order(
            stage=self.stage.name,
            work=self.stage.work,
            config=session.config,
            session=session.session_id,
            key=key,
            pipe=pipe,
            parent=os.getpid(),
        )
        assert self._process.stdin
        with suppress(BrokenPipeError), self._process.stdin as file:  # it may already be dead
            file.write(order.model_dump_json().encode())

    def _listen(self, handle: int, hear: Hearing) -> None:
        with os.fdopen(handle, "rb") as pipe:
            for event in read_events(pipe):
                if event.level == "ERROR":
                    self.last_error = event.message
                hear(self.stage.name, event)

    def _watch(self, hear: Hearing) -> None:
        """Report the end of the process, and kill workers that it left behind, for example after a SIGKILL."""
        self._process.wait()
        kill_group(self._process.pid)
        self._reader.join(_DRAIN_S)
        hear(self.stage.name, None)
