"""`so8t-ab audit`: prove the audit log, find and erase one user's lines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from so8t_shared.cli.common import ConfigOption, SetOption, local_time, print_notes
from so8t_shared.config.load import load_config
from so8t_shared.distribution import need_extras
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.formatting import plural
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out, say

if TYPE_CHECKING:
    from so8t_shared.documents import Document
    from so8t_shared.results.audit import AuditErased, AuditFound, AuditProof

app = typer.Typer(help="Prove the audit log; find and erase a user.", no_args_is_help=True)

_BROKEN = IntegrityError.exit_code
_SHOWN = 5
"""Most damaged lines that an error names."""

UserOption = Annotated[
    str, typer.Option("--user", metavar="ID", help="User id as sent; - reads it from standard input.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def verify(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    anchors: Annotated[bool, typer.Option(help="Compare with the anchors in the store.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Prove that the log is as it was written.

    Finds changed, missing, reordered, duplicated and cut lines, and says where. A log that was rewritten as a whole, or
    cut at its end, is found by its anchors. Exits with 5 if there is a fault.
    """
    proof: AuditProof = _call("prove", load_config(config, overrides), with_anchors=anchors)
    if as_json:
        _print(proof)
    else:
        _show(proof)
    if proof.faults:
        if as_json:
            raise typer.Exit(_BROKEN)
        raise IntegrityError(
            f"The audit log has {len(proof.faults)} {plural(len(proof.faults), 'fault', 'faults')}.",
            where=proof.folder,
            remedy="keep the folder as evidence; the lines before the first fault are proven",
        )


@app.command()
def find(
    user: UserOption,
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
    as_json: JsonOption = False,
) -> None:
    """List the lines of one user, whichever key hashed them. Exits with 5 if other lines are damaged."""
    found: AuditFound = _call("find", load_config(config, overrides), _user(user))
    if as_json:
        _print(found)
        if found.damaged:
            raise typer.Exit(_BROKEN)
        return
    for line in found.lines:
        facts = line.facts
        text = f"{line.segment} {line.n}: {local_time(str(facts.get('time')))} {facts.get('class')}"
        out.print(f"{text} {facts.get('reason') or ''}".rstrip(), markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(found.lines)} {plural(len(found.lines), 'line', 'lines')}", highlight=False)
    _refuse_damage(found)


@app.command()
def erase(
    user: UserOption,
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Erase what leads to one user, and record that it was erased.

    Keyed hashes, lengths and request ids of the user's lines go; what was decided stays, and so does the proof. A
    running service does it within seconds. Backups of the folder are not reached. Exits with 5 if there are damaged
    lines: whose they are is not known, and they stay.
    """
    done: AuditErased = _call("erase", load_config(config, overrides), _user(user))
    out.print(f"erased: {done.erased} {plural(done.erased, 'line', 'lines')}", highlight=False)
    _refuse_damage(done)


@app.command("new-key")
def new_key(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Make a key, or a new one that takes the old one's place.

    It becomes the first line of think.audit.key_file; the older ones still find their lines. The service takes it when
    it is started again.
    """
    key = _call("new_key", load_config(config, overrides))
    out.print(f"new key {key.id}", markup=False, highlight=False)


def _call(name: str, *arguments: Any, **options: Any) -> Any:
    need_extras(["so8t_gateway"])
    return named(f"so8t_gateway.audit.commands:{name}")(*arguments, **options)


def _user(given: str) -> str:
    user = sys.stdin.readline().rstrip("\r\n") if given == "-" else given
    if not user:
        raise InputError("The user id is empty.", where="--user", remedy="give the id as the clients send it")
    return user


def _refuse_damage(found: AuditFound | AuditErased) -> None:
    count = len(found.damaged)
    if not count:
        return
    places = [f"{fault.segment}, line {fault.line}" for fault in found.damaged[:_SHOWN]]
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    raise IntegrityError(
        f"{count} damaged {plural(count, 'line', 'lines')} may also be of this user.",
        where=f"{found.folder}: {'; '.join(places)}{more}",
        remedy="see 'so8t-ab audit verify'; a damaged line can only be erased with its file, by hand",
    )


def _print(document: Document) -> None:
    say(json.dumps(document.model_dump(mode="json"), indent=2) + "\n")


def _show(proof: AuditProof) -> None:
    for fault in proof.faults:
        place = fault.segment if not fault.line else f"{fault.segment}, line {fault.line}"
        out.print(f"{place}: {fault.kind}: {fault.what}", markup=False, highlight=False, soft_wrap=True)
    erased = f", {proof.erased} erased" if proof.erased else ""
    text = f"lines {proof.first} to {proof.last} in {proof.segments} {plural(proof.segments, 'file', 'files')}"
    anchored = "" if proof.anchors is None else f"; anchored up to line {proof.anchored or 0}"
    out.print(f"log {proof.log}: {text}{erased}{anchored}", markup=False, highlight=False, soft_wrap=True)
    notes = []
    if proof.anchors is None:
        notes.append("no anchors were compared: a log rewritten as a whole would look like this too")
    elif (proof.anchored or 0) < proof.last and not proof.faults:
        notes.append(f"lines after {proof.anchored or 0} have no anchor yet: if they were cut off, nobody would notice")
    if proof.other_logs:
        notes.append(f"the store has anchors of other logs: {', '.join(proof.other_logs)}")
    print_notes(notes)
