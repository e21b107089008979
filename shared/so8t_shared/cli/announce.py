"""Closing output of a stage that runs by itself, such as in a container, and of every command that makes a report."""

from __future__ import annotations

import shlex
from pathlib import Path

from so8t_shared import places
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.running.export import RESULTS_FILE, results_dir, shown_as
from so8t_shared.sessions.session import Session
from so8t_shared.terminal.console import out
from so8t_shared.terminal.result_table import result_table


def announce(stage: str, session: Session, *, reused: bool) -> None:
    """Print that the stage is done; after the report stage, also the result and the report's path."""
    how = "reused, nothing to do" if reused else "done"
    out.print(f"{stage}: {how} (session {session.session_id})", highlight=False, markup=False, soft_wrap=True)
    if stage == "report" and (results_dir(session) / RESULTS_FILE).is_file():
        print_results(session)


def print_results(session: Session) -> AbTestResults:
    """Print the session's result table, summary sentence and report path; return the results."""
    folder = results_dir(session)
    results = AbTestResults.read(folder / RESULTS_FILE)
    out.print(result_table(results))
    out.print(results.summary, highlight=False, markup=False)
    for line in [*model_lines(session), f"Report: {shown_as(folder, session)}/report.html"]:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    return results


def model_lines(session: Session) -> list[str]:
    """Where model B is, or how to copy it from the store, and how to talk to it."""
    config = session.config
    if config.served_b:
        return [f"Model B: on {config.ollama.host}, as it was before the test", f"  ollama run {config.served_b}"]
    name, quantization = config.ollama.model_b_name, config.gguf.primary_quantization
    gguf = places.model_file(config, session.session_id, places.gguf_name("b", quantization))
    modelfile = places.modelfile(config, session.session_id, places.modelfile_name(name, quantization))
    copied = gguf is not None and modelfile is not None and gguf.is_file()
    export = f"so8t-ab export {session.session_id} -c CONFIG --model b --quantization {quantization} --to FOLDER"
    lines = [f"Model B: {shown_as(gguf, session) if gguf and copied else export}"]
    if config.ab_test.engine == "ollama":  # the import has put it on the server
        return [*lines, f"  ollama run {name}"]
    if modelfile and copied:
        lines += commands(shown_as(modelfile.parent, session), modelfile.name, name)
    return lines


def commands(folder: Path | str, modelfile: str, name: str) -> list[str]:
    """Shell commands that put a model on an Ollama server and talk to it."""
    create = f"cd {shlex.quote(str(folder))} && ollama create {name} -f {shlex.quote(modelfile)}"
    return [f"  {create}", f"  ollama run {name}"]
