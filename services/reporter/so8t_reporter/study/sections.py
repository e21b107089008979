"""The sections of a study's report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from so8t_reporter.document import Block, Cell, Column, Notes, Section, Table, Tone
from so8t_reporter.sections.quality import reach_of
from so8t_shared import formatting as fmt
from so8t_shared.results.study import FINDINGS, Contrast, Effect, Finding, SeedResult, StudyResult
from so8t_shared.results.verdicts import WORDS, Verdict
from so8t_shared.tables import metrics

TONES: dict[Finding, Tone] = {Finding.BETTER: "good", Finding.WORSE: "bad"}
"""All other findings are muted."""
_ADJUSTED = (
    "p: Holm-adjusted within the family. The intervals are not adjusted, so one may exclude 0 without a finding."
)


def sections_of(result: StudyResult) -> list[Section]:
    """Return every section in reading order."""
    blocks: list[tuple[str, str, Sequence[Block]]] = [
        ("pairs", "Arm against arm", _pairs(result, "accuracy")),
        ("danger", "Dangerous answers", _dangers(result)),
        ("grid", "Every file", _grid(result)),
        ("variance", "Where the uncertainty comes from", _variance(result)),
        ("effects", "Effect of each setting", _effects(result)),
        ("ranking", "Ranking", _ranking(result)),
        ("cost", "Cost of a point", _costs(result)),
        ("method", "How to read this", _method(result)),
    ]
    return [Section(anchor, title, list(found)) for anchor, title, found in blocks if found]


def _text(*names: str) -> list[Column]:
    return [Column(name, numeric=False) for name in names]


def _numbers(*names: str) -> list[Column]:
    return [Column(name) for name in names]


def _pairs(result: StudyResult, metric: str) -> list[Block]:
    lines = [c for c in result.contrasts if c.metric == metric]
    families = list(dict.fromkeys(c.family for c in lines))
    reach = reach_of([c.difference for c in lines if c.difference])
    level = f"{100 * result.confidence:g}% CI"
    return [
        Table(
            family or "All other pairs (exploratory)",
            [*_text("Arm", "Against", "Finding"), *_numbers("Seeds", f"Difference in points ({level})", "p")],
            [_pair(c, result.alpha, reach) for c in lines if c.family == family],
            note=_ADJUSTED,
            folded=not family,
        )
        for family in families
    ]


def _pair(c: Contrast, alpha: float, reach: float) -> list[Cell]:
    tone = TONES.get(c.finding, "muted")
    seeds = "file" if c.over == "file" else f"{c.seed_count}{' (few)' if c.few else ''}"
    return [
        Cell(c.arm, "strong"),
        Cell(c.other),
        Cell(FINDINGS[c.finding], tone),
        Cell(seeds),
        Cell("", "muted")
        if c.difference is None
        else Cell(fmt.points_interval(c.difference), tone, c.difference, "difference", reach),
        Cell(fmt.p_value(c.p_adjusted, alpha) if c.p_adjusted is not None else ""),
    ]


def _dangers(result: StudyResult) -> list[Block]:
    rows = [
        [
            Cell(arm.name, "strong"),
            Cell(metrics.BY_NAME[d.metric].title),
            Cell(fmt.count(d.rows)),
            Cell(fmt.percent(d.reference)),
            Cell(fmt.percent(d.mean)),
            Cell(_worst(d.worst, d.worst_seed), "bad" if d.worst > d.reference else "muted"),
        ]
        for arm in result.arms
        for d in arm.dangers
    ]
    if not rows:
        return []
    note = "The worst seed is what could ship. Red: its rate is above A's on these rows, whether or not that is chance."
    columns = [*_text("Arm", "Answer"), *_numbers("Rows", "A", "Mean over seeds", "Worst seed")]
    named = dict.fromkeys(d.metric for arm in result.arms for d in arm.dangers)
    tables = [table for metric in named for table in _titled(_pairs(result, metric), metrics.BY_NAME[metric].title)]
    return [Table("Rates", columns, rows, note=note), *tables]


def _titled(tables: Sequence[Block], title: str) -> list[Block]:
    return [
        Table(f"{title}: {t.caption}", t.columns, t.rows, note=t.note, folded=True) for t in tables if t.kind == "table"
    ]


def _worst(value: float, seed: int | None) -> str:
    return fmt.percent(value) if seed is None else f"{fmt.percent(value)} (seed {seed})"


def _grid(result: StudyResult) -> list[Block]:
    seeds = sorted({f.seed for f in result.files if f.seed is not None})
    places: list[int | None] = [*seeds, *([None] if any(f.seed is None for f in result.files) else [])]
    columns = _text("Arm", *("External" if seed is None else f"Seed {seed}" for seed in places))
    files = {(f.arm, f.seed): f for f in result.files}
    shown: list[tuple[str, Callable[[SeedResult], Cell]]] = [
        ("Each file's own verdict against A", lambda f: Cell(_verdict(f), WORDS[f.verdict].tone)),
        ("Accuracy", lambda f: Cell(fmt.percent(f.accuracy.value))),
    ]
    shown += [(metrics.BY_NAME[name].title, partial(_rate, name)) for name in result.dangers_a]
    blocks: list[Block] = []
    for caption, cell in shown:
        rows = [
            [Cell(arm.name, "strong"), *(_cell(files.get((arm.name, seed)), cell) for seed in places)]
            for arm in result.arms
        ]
        blocks.append(Table(caption, columns, rows))
    return blocks


def _cell(one: SeedResult | None, cell: Callable[[SeedResult], Cell]) -> Cell:
    return Cell("-", "muted") if one is None else cell(one)


def _verdict(one: SeedResult) -> str:
    cell = WORDS[one.verdict].cell
    return {Verdict.B_BETTER: "better", Verdict.A_BETTER: "worse"}.get(one.verdict, cell)


def _rate(metric: str, one: SeedResult) -> Cell:
    rate = one.dangers.get(metric)
    return Cell(fmt.percent(rate.value)) if rate else Cell("-", "muted")


def _variance(result: StudyResult) -> list[Block]:
    lines = [c for c in result.contrasts if c.metric == "accuracy" and c.variance]
    parts = ("rows", "groups", "seeds", "seed_groups", "seed_rows")
    rows = [
        [
            Cell(c.arm, "strong"),
            Cell(c.other),
            *(Cell(f"{100 * getattr(c.variance, part):.0f}%") for part in parts),
            Cell(f"{100 * c.variance.standard_error:.1f}"),
        ]
        for c in lines
        if c.variance
    ]
    if not rows:
        return []
    heads = ("Rows", "Groups", "Seeds", "Seed x group", "Seed x row", "Standard error in points")
    note = (
        "Shares of the variance of the difference. A large share of seeds asks for more seeds, of rows and groups for"
        " more test rows; the last two shrink with either."
    )
    return [Table("Variance of each difference", [*_text("Arm", "Against"), *_numbers(*heads)], rows, note=note)]


_KINDS = {"main": "main effect, mean of {} pairs", "pairwise": "one pair", "together": "never changed alone"}


def _effects(result: StudyResult) -> list[Block]:
    if not result.effects:
        return []
    reach = reach_of([e.difference for e in result.effects if e.difference])
    columns = [*_text("Setting", "Change", "From"), *_numbers("Seeds", "Accuracy in points", "p")]
    rows = [_effect(e, result.alpha, reach) for e in result.effects]
    return [Table("Settings that differ between arms", columns, rows, note="p: not adjusted, exploratory.")]


def _effect(e: Effect, alpha: float, reach: float) -> list[Cell]:
    changes = [f"{before or 'base'} to {after or 'base'}" for before, after in zip(e.before, e.after, strict=True)]
    pairs = "; ".join(f"{after} against {before}" for before, after in e.pairs)
    return [
        Cell(", ".join(e.keys), "strong"),
        Cell(", ".join(changes)),
        Cell(f"{_KINDS[e.kind].format(len(e.pairs))}: {pairs}"),
        Cell(fmt.count(len(e.seeds))),
        Cell(fmt.points_interval(e.difference), "muted", e.difference, "difference", reach)
        if e.difference
        else Cell("too few seeds", "muted"),
        Cell(fmt.p_value(e.p_value, alpha) if e.p_value is not None else ""),
    ]


def _ranking(result: StudyResult) -> list[Block]:
    rows = [
        [
            Cell(r.name, "strong"),
            Cell(str(r.first) if r.first == r.last else f"{r.first} to {r.last}"),
            Cell(fmt.percent(r.value)),
        ]
        for r in result.ranks
    ]
    note = (
        f"All ranks hold together at {100 * result.confidence:g}%: an arm is above another only if that is shown after"
        " Holm's adjustment over all pairs. A and external models are single files."
    )
    return [Table("Possible ranks by accuracy", [*_text("Arm"), *_numbers("Rank", "Accuracy")], rows, note=note)]


def _costs(result: StudyResult) -> list[Block]:
    if not result.costs:
        return []
    rows = [
        [
            Cell(c.arm, "strong"),
            Cell(fmt.duration(c.seconds)),
            Cell(fmt.points(None if c.points is None else c.points / 100) if c.points is not None else ""),
            Cell(
                f"{fmt.duration(c.per_point)} ({fmt.duration(c.at_best)} to {fmt.duration(c.at_worst)})"
                if c.per_point is not None
                else "no gain shown",
                "" if c.per_point is not None else "muted",
            ),
        ]
        for c in result.costs
    ]
    note = "Mean work for one file, without the conversion of A; what was reused counts where it was computed."
    columns = [*_text("Arm"), *_numbers("Work per file", "Points over A", "Work per point")]
    return [Table("Work", columns, rows, note=note)]


def _method(result: StudyResult) -> list[Block]:
    unseen = [
        f"{arm.name} {fmt.percent(arm.unseen)}" for arm in result.arms if arm.unseen is not None and len(arm.seeds) > 1
    ]
    notes = [
        (
            "This file, this method",
            "A file's verdict is about one training. A method's is about the next training, with a new seed and new"
            " rows, so it needs several seeds.",
        ),
        (
            "Few seeds",
            "With one seed, nothing is said about a method. With 2 or 3, the test keeps its level, but finds only"
            " large differences.",
        ),
        (
            "Paired seeds",
            "Two arms are compared seed by seed where both have the same seeds, since a seed may give both the same"
            " order of rows.",
        ),
    ]
    if unseen:
        text = f"Up to this share of seeds may fail as none did here: {', '.join(unseen)}."
        notes.append(("What these seeds cannot rule out", text))
    return [Notes(notes)]
