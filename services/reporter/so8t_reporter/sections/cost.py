"""Speed, memory and file size, with the host they were measured on."""

from __future__ import annotations

from so8t_reporter.charts.lookup import hosts_of, not_side_by_side
from so8t_reporter.document import Block, Cell, Column, Facts, Paragraph, PictureBlock, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.quantization_loss import quantization_loss_table
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import EvaluationResult, Speed
from so8t_shared.tables.quantizations import ORDER


def cost_section(inputs: ReportInputs) -> Section:
    """The cost of running both models."""
    evaluation = inputs.evaluation
    blocks: list[Block] = [_table(evaluation.speed), *_ratios(evaluation), *_warnings(evaluation)]
    blocks.append(PictureBlock("quantization_tradeoff"))
    blocks += quantization_loss_table(inputs)
    engine = evaluation.engine
    settings = ", ".join(f"{name} {value}" for name, value in sorted(engine.settings.items()))
    blocks.append(Facts([("Engine", f"{engine.name} {engine.version}"), ("Settings", settings or "none")]))
    return Section("cost", "Speed and memory", blocks)


def _table(speed: list[Speed]) -> Table:
    ordered = sorted(speed, key=lambda s: (ORDER.index(s.quantization), s.model, s.host))
    return Table(
        "One request at a time",
        [
            *(Column(name, numeric=False) for name in ("Quantization", "Model")),
            *(Column(name) for name in ("Latency p50", "p95", "First token p50", "p95", "Tokens/s", "Peak memory")),
            *(Column(name) for name in ("File", "Rows", "Disturbed", "Reused")),
            Column("Host", numeric=False),
        ],
        [_row(s) for s in ordered],
        note="First token: time from the request to the first token. Tokens/s: median rate after the first token. Peak"
        " memory: of the process that held the model. Disturbed: rows during which other work kept the machine busy;"
        " they are left out of times and rates. Reused: rows timed in an earlier run on that host.",
    )


def _row(s: Speed) -> list[Cell]:
    times = (s.latency_ms_p50, s.latency_ms_p95, s.ttft_ms_p50, s.ttft_ms_p95)
    return [
        Cell(s.quantization),
        Cell(s.model.upper(), s.model),
        *(Cell(fmt.milliseconds(value, s.n), "" if value is not None else "muted") for value in times),
        Cell(fmt.rate(s.tokens_per_s, s.n), "" if s.tokens_per_s is not None else "muted"),
        Cell(fmt.size(s.peak_memory_bytes), "" if s.peak_memory_bytes is not None else "muted"),
        Cell(fmt.size(s.file_size_bytes)),
        Cell(fmt.count(s.n)),
        Cell("unknown" if s.disturbed is None else fmt.count(s.disturbed), "" if not s.disturbed else "bad"),
        Cell(fmt.count(s.reused)),
        Cell(s.host),
    ]


def _ratios(evaluation: EvaluationResult) -> list[Block]:
    lines = sorted(evaluation.latency_ratios, key=lambda line: ORDER.index(line.quantization))
    if not lines:
        return []
    level = f"{100 * evaluation.confidence:g}% CI"
    table = Table(
        "B's latency over A's",
        [Column("Quantization", numeric=False), Column(f"Ratio ({level})"), Column("Rows"), Column("Disturbed")],
        [
            [
                Cell(line.quantization),
                Cell(f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})")
                if (r := line.ratio)
                else Cell(line.undefined, "muted"),
                Cell(fmt.count(line.ratio.rows if line.ratio else 0)),
                Cell(fmt.count(line.disturbed), "bad" if line.disturbed else ""),
            ]
            for line in lines
        ],
        note="The median over the timed rows; 1 is as fast, 2 takes twice as long. A clause of the gate can bound it"
        " (latency_ratio).",
    )
    return [table]


def _warnings(evaluation: EvaluationResult) -> list[Block]:
    hosts, apart = hosts_of(evaluation), not_side_by_side(evaluation)
    found = [f"{words}." for words in _disturbed(evaluation.speed)]
    if len(hosts) > 1:
        places = f"Timings come from several hosts ({', '.join(hosts)})"
        found.append(f"{places}: only rows that name the same single host can be compared.")
    elif apart:
        found.append(f"{apart}: the difference includes whatever changed on the machine in between.")
    return [Paragraph(words, "bad") for words in found]


def _disturbed(speed: list[Speed]) -> list[str]:
    """Say how many measurements other work disturbed."""
    lost = sum(s.disturbed or 0 for s in speed)
    if not lost:
        return []
    alone = [f"{s.model.upper()} at {s.quantization}" for s in speed if s.n and s.disturbed == s.n]
    nothing = f"; nothing is left of {', '.join(alone)}" if alone else ""
    total = f"{lost:,} of {sum(s.n for s in speed):,}"
    return [f"Other work on the machine disturbed {total} measurements, which are left out{nothing}"]
