"""Compares every rung with the one that it was made from, and names the first that lost something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from so8t_evaluator.ladder.divergence import divergences
from so8t_evaluator.ladder.handovers import beyond, explained_by_noise
from so8t_evaluator.ladder.prompts import Taken, example, other_prompts, other_tokens
from so8t_evaluator.stats.confusion import COLUMNS
from so8t_evaluator.stats.groups import codes
from so8t_evaluator.stats.holm import holm
from so8t_evaluator.stats.paired import paired_p
from so8t_shared.labels import LABELS
from so8t_shared.ladders.measured import Measured, load
from so8t_shared.ladders.orders import LadderStep, rounding_name
from so8t_shared.results.ladder import Difference, FlippedRow, Handover, Ladder, Rung, RungRecord
from so8t_shared.results.sides import Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables import ggml_types
from so8t_shared.tables.quantizations import BY_NAME
from so8t_shared.tables.rungs import rounding_of

_ALPHA = 0.05
_SURE = 0.9
"""Probability of the end of a turn from which no rounding makes another token likelier."""
_FLIPPED = 20
"""Rows listed."""


def compare_rungs(
    name: str,
    side: Side | None,
    folder: Path,
    steps: Sequence[LadderStep],
    rows: Sequence[LabeledRow],
    notes: Sequence[str],
) -> Ladder:
    """Return the ladder of the rungs in `folder`, whose rows are all `rows`.

    Raises:
        IntegrityError: a record or its arrays are damaged.
    """
    taken = {step.rung: _take(folder, step.rung) for step in steps}
    titles = {step.rung: step.title for step in steps}
    gold = np.array([LABELS.index(row.label) for row in rows], np.int8)
    handovers = [
        _handover(step, taken, titles, folder, rows, gold, _checkpoint(steps)) for step in steps if step.before
    ]
    handovers = _with_losses(handovers)
    first = next((one for one in handovers if one.names_a_loss), None)
    return Ladder(
        side=side,
        name=name,
        rows=len(rows),
        rungs=[_rung(step, taken[step.rung], gold) for step in steps],
        handovers=handovers,
        lost_at=next((step.rung for step in steps if first and step.title == first.after), None),
        sentence=_lost(first) if first else _kept(handovers),
        notes=list(notes),
    )


def _take(folder: Path, rung: str) -> Taken:
    record = RungRecord.read(folder / f"{rung}.json")
    return Taken(record, load(folder, record))


def _checkpoint(steps: Sequence[LadderStep]) -> str:
    """The rung whose model was rounded to explain hand-overs: the last one of torch."""
    return next((step.rung for step in reversed(steps) if step.kind in ("start", "merge")), "")


def _rung(step: LadderStep, taken: Taken, gold: NDArray[np.int8]) -> Rung:
    return Rung(
        name=step.rung,
        title=step.title,
        program=taken.record.program,
        right=int((taken.measured.said == gold).sum()),
        seconds=taken.record.seconds,
        load_seconds=taken.record.load_seconds,
        peak_memory_bytes=taken.record.peak_memory_bytes,
    )


def _handover(
    step: LadderStep,
    taken: Mapping[str, Taken],
    titles: Mapping[str, str],
    folder: Path,
    rows: Sequence[LabeledRow],
    gold: NDArray[np.int8],
    checkpoint: str,
) -> Handover:
    before, after = taken[step.before], taken[step.rung]
    found, is_bound = difference(before.measured, after.measured)
    explained = _explained(step, taken, folder, checkpoint)
    said = [one.measured.said for one in (before, after)]
    known = decided(before.measured, after.measured)
    right = [(one == gold) & known for one in said]
    changes = right[1].astype(np.int8) - right[0].astype(np.int8)
    p = paired_p(changes, codes([row.group or row.id for row in rows]))
    prompts = other_prompts(before.record, after.record)
    tokens = other_tokens(before, after)
    faults = [*_faults(step, before, after, prompts, tokens), *beyond(found, explained)]
    return Handover(
        before=titles[step.before],
        after=step.title,
        kind=step.kind,
        difference=found,
        explained=explained,
        within=not faults,
        beyond=faults,
        kl_bound=is_bound,
        gained=int((changes > 0).sum()),
        lost=int((changes < 0).sum()),
        p_value=p,
        p_adjusted=p,
        rows=len(rows),
        open_rows=int((~known).sum()),
        loss="none",
        flipped=_flipped(rows, before.measured, said, known),
        other_prompts=len(prompts),
        other_tokens=len(tokens),
        example=example(rows, before, after, [*tokens, *prompts]),
    )


def _explained(step: LadderStep, taken: Mapping[str, Taken], folder: Path, checkpoint: str) -> Difference | None:
    rounding = rounding_of(step.kind, step.quantization)
    if not rounding:
        return explained_by_noise()
    path = folder / f"{rounding_name(rounding)}.json"
    if not checkpoint or not path.is_file():
        return None
    control = _take(folder, rounding_name(rounding)).measured
    return difference(_first(taken[checkpoint].measured, len(control.end)), control)[0]


def _first(measured: Measured, count: int) -> Measured:
    arrays = {name: getattr(measured, name)[:count] for name in ("logprobs", "bounds", "likely", "ids", "texts", "end")}
    return Measured(**arrays)


def difference(before: Measured, after: Measured) -> tuple[Difference, bool]:
    """Return how far two rungs are apart on the rows that both have, and whether the KL divergence is a lower bound."""
    usable = ~(before.bounds | after.bounds) & np.isfinite(before.logprobs) & np.isfinite(after.logprobs)
    apart = np.abs(before.logprobs - after.logprobs)[usable]
    ends = np.abs(before.end - after.end)
    ends = ends[np.isfinite(ends)]
    kl, is_bound = divergences(before, after)
    kl = kl[np.isfinite(kl)]
    found = Difference(
        logprob_mean=float(apart.mean()) if apart.size else None,
        logprob_max=float(apart.max()) if apart.size else None,
        end_mean=float(ends.mean()) if ends.size else None,
        kl_mean=float(kl.mean()) if kl.size else None,
        kl_max=float(kl.max()) if kl.size else None,
        flipped=int((decided(before, after) & (before.said != after.said)).sum()),
    )
    return found, is_bound


def decided(before: Measured, after: Measured) -> NDArray[np.bool_]:
    """Return [n], whether no bound leaves a row's decision open; one that a rung cannot take is a lost one."""
    bound = [side.bounds.any(axis=1) & (side.said == len(LABELS)) for side in (before, after)]
    open_: NDArray[np.bool_] = bound[0] | bound[1]
    return ~open_


def _faults(step: LadderStep, before: Taken, after: Taken, prompts: Sequence[int], tokens: Sequence[int]) -> list[str]:
    """What no hand-over explains."""
    rows = len(after.record.rows)
    faults = []
    if prompts:
        faults.append(f"prompts differ in {len(prompts)} of {rows} rows")
    if tokens:
        faults.append(f"tokens differ in {len(tokens)} of {rows} rows")
    if before.record.ends_turn and after.record.ends_turn is False:
        faults.append("the end of a turn no longer ends an answer")
    if endless := _no_longer_ended(before, after.record):
        faults.append(f"{endless} of {len(after.record.ended)} answers no longer end")
    if lost := set(after.record.left_out) - set(before.record.left_out):
        faults.append(f"{len(lost)} rows do not fit its context")
    return [*faults, *_other_type(step, after.record)]


def _no_longer_ended(before: Taken, after: RungRecord) -> int:
    """Count the answers that almost surely end in the rung before, and here did not."""
    surely = dict(zip(before.record.rows, (before.measured.end > math.log(_SURE)).tolist(), strict=True))
    return sum(surely[row] and not ended for row, ended in after.ended.items())


def _other_type(step: LadderStep, record: RungRecord) -> list[str]:
    """A file that says it has another type than its name says."""
    if not step.quantization or not record.file_type:
        return []
    wanted = ggml_types.FILE_TYPES[BY_NAME[step.quantization].file_type]
    return [] if record.file_type == wanted else [f"the file says that it is {record.file_type}, not {wanted}"]


def _flipped(
    rows: Sequence[LabeledRow], before: Measured, said: Sequence[NDArray[np.int8]], known: NDArray[np.bool_]
) -> list[FlippedRow]:
    found = []
    for number in np.flatnonzero(known & (said[0] != said[1])).tolist():
        first, second = int(said[0][number]), int(said[1][number])
        both = max(first, second) < len(LABELS)
        found.append(
            FlippedRow(
                id=rows[number].id,
                gold=rows[number].label,
                before=COLUMNS[first],
                after=COLUMNS[second],
                margin=float(before.logprobs[number, first] - before.logprobs[number, second]) if both else 0.0,
            )
        )
    return sorted(found, key=lambda row: -row.margin)


def _with_losses(handovers: Sequence[Handover]) -> list[Handover]:
    """Adjust p over the ladder, and say what each hand-over lost."""
    adjusted = holm([one.p_value for one in handovers]) if handovers else []
    found = []
    for one, p in zip(handovers, adjusted, strict=True):
        decisions = one.lost > one.gained and p < _ALPHA
        loss = {(True, True): "decisions", (True, False): "both", (False, False): "difference"}.get(
            (decisions, one.within), "none"
        )
        found.append(one.model_copy(update={"p_adjusted": p, "loss": loss}))
    return found


def _lost(one: Handover) -> str:
    flipped = f"{one.difference.flipped} of {one.rows} rows flipped"
    if one.loss != "difference":
        flipped += f", {one.lost} to wrong and {one.gained} to right (p = {one.p_adjusted:.2g})"
    more = "" if one.beyond else "; the difference itself is no larger than this hand-over explains"
    return f"The first loss is at {one.after}, made from {one.before}: {'; '.join([*one.beyond[:3], flipped])}{more}."


def _kept(handovers: Sequence[Handover]) -> str:
    if not handovers:
        return "One rung alone: nothing to compare."
    flipped = max(one.difference.flipped for one in handovers)
    unknown = [one.after for one in handovers if one.explained is None]
    rest = f" What explains {', '.join(unknown)} was not measured: that needs the checkpoint's rung." if unknown else ""
    most = f"the most that flipped at one is {flipped} of {handovers[0].rows} rows" if flipped else "no row flipped"
    return f"Nothing was lost: no hand-over changed more than it explains; {most}.{rest}"
