"""Closing output of a stage that runs by itself, such as in a container, and of every command that makes a report."""

from __future__ import annotations

import os
from pathlib import Path

from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.running.export import RESULTS_FILE, results_dir
from so8t_shared.sessions.session import Session
from so8t_shared.terminal.console import out
from so8t_shared.terminal.result_table import result_table

SHOWN_AS_VARIABLE = "SO8T_RESULTS_SHOWN_AS"
"""Path outside the container of the folder mounted as output_base_dir inside it."""


def announce(stage: str, session: Session, *, reused: bool) -> None:
    """Print that the stage is done; after the report stage, also the result and the report's path."""
    how = "reused, nothing to do" if reused else "done"
    print(f"{stage}: {how} (session {session.session_id})", flush=True)
    if stage == "report" and (results_dir(session) / RESULTS_FILE).is_file():
        print_results(session)


def print_results(session: Session) -> AbTestResults:
    """Print the session's result table, summary sentence and report path; return the results."""
    folder = results_dir(session)
    results = AbTestResults.read(folder / RESULTS_FILE)
    out.print(result_table(results))
    out.print(results.summary, highlight=False, markup=False)
    out.print(f"Report: {shown(folder, session)}/report.html", highlight=False, markup=False, soft_wrap=True)
    return results


def shown(folder: Path, session: Session) -> str:
    """Path of a folder below output_base_dir as the user sees it, which is outside the container."""
    outside = os.environ.get(SHOWN_AS_VARIABLE, "")
    inside = session.config.output_base_dir
    return f"{outside.rstrip('/')}/{folder.relative_to(inside).as_posix()}" if outside else str(folder)
