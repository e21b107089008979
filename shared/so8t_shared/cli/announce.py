"""Last words: of a stage that runs on its own, such as in a container, and of everything that ends with a report."""

from __future__ import annotations

import os
from pathlib import Path

from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.running.export import RESULTS_FILE, results_dir
from so8t_shared.sessions.session import Session
from so8t_shared.terminal.console import out
from so8t_shared.terminal.result_table import result_table

SHOWN_AS_VARIABLE = "SO8T_RESULTS_SHOWN_AS"
"""Name, outside the container, of the folder that is output_base_dir inside it."""


def announce(stage: str, session: Session, *, reused: bool) -> None:
    """Print that the stage is done; after a report, what it says and where it is."""
    how = "reused, nothing had to be done" if reused else "done"
    print(f"{stage}: {how} (session {session.session_id})", flush=True)
    if stage == "report" and (results_dir(session) / RESULTS_FILE).is_file():
        print_results(session)


def print_results(session: Session) -> AbTestResults:
    """Print the session's table and sentence, in the last line where its report is; return what was read."""
    folder = results_dir(session)
    results = AbTestResults.read(folder / RESULTS_FILE)
    out.print(result_table(results))
    out.print(results.summary, highlight=False, markup=False)
    out.print(f"Report: {shown(folder, session)}/report.html", highlight=False, markup=False, soft_wrap=True)
    return results


def shown(folder: Path, session: Session) -> str:
    """A folder below output_base_dir under the name by which the user knows it."""
    outside = os.environ.get(SHOWN_AS_VARIABLE, "")
    inside = session.config.output_base_dir
    return f"{outside.rstrip('/')}/{folder.relative_to(inside).as_posix()}" if outside else str(folder)
