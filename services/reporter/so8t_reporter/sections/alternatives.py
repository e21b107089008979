"""Whether another file of model B would help: a paired test on validation rows."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Paragraph, Section, Table, Tone
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.paired import EXPLORATORY
from so8t_shared import formatting as fmt
from so8t_shared.results.alternatives import AlternativeLine, AlternativesResult, Help
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.interval import Interval

_TONES: dict[Help, Tone] = {"better": "good", "not decided": "muted", "worse": "bad"}


def alternatives_sections(inputs: ReportInputs) -> list[Section]:
    """Return the section; none without gguf.alternatives."""
    found = inputs.evaluation.alternatives
    if found is None:
        return []
    blocks: list[Block] = [Paragraph(_sentence(found)), _table(found, inputs.evaluation)]
    return [Section("alternatives", "Would another file of B help?", blocks)]


def file_words(quantization: str, *, imatrix: bool) -> str:
    """Name a file by what it is."""
    return f"{quantization} with imatrix" if imatrix else quantization


def _sentence(found: AlternativesResult) -> str:
    primary = file_words(found.primary, imatrix=found.imatrix)
    better = [file_words(line.quantization, imatrix=line.imatrix) for line in found.lines if line.verdict == "better"]
    answer = f"{' and '.join(better)}: better" if better else "None is shown to be better"
    return (
        f"{answer} than {primary} ({fmt.size(found.size_bytes)}) on {found.rows:,} validation rows. Asked for"
        f" probabilities in llama.cpp; no test row took part."
    )


def _table(found: AlternativesResult, evaluation: EvaluationResult) -> Table:
    primary = file_words(found.primary, imatrix=found.imatrix)
    intervals = [each for line in found.lines for each in (line.interval, line.probability) if each]
    reach = max((abs(end) for each in intervals for end in (each.low, each.high)), default=1.0) or 1.0
    return Table(
        f"Files of B against {primary}",
        [
            *(Column(name, numeric=False) for name in ("File", "Verdict")),
            *map(
                Column, ("Size", "Right", "Difference in points", "Gained / lost", "p", "False allows", "Probability")
            ),
        ],
        [_row(line, evaluation.alpha, reach) for line in found.lines],
        note=f"Right, false allows (harmful rows answered ALLOW): at {primary} / here; with more false allows, no file"
        f" counts as better. Probability: of the right class, here minus there, in points. In parentheses:"
        f" {100 * evaluation.confidence:g}% CI. {EXPLORATORY}",
    )


def _row(line: AlternativeLine, alpha: float, reach: float) -> list[Cell]:
    before, here = line.reference_false_allows, line.other_false_allows
    return [
        Cell(file_words(line.quantization, imatrix=line.imatrix), "strong"),
        Cell(line.verdict, _TONES[line.verdict]),
        Cell(fmt.size(line.size_bytes)),
        Cell(f"{line.reference_right:,} / {line.other_right:,}"),
        _interval(line.interval, reach),
        Cell(f"{line.gained:,} / {line.lost:,}"),
        Cell(fmt.p_value(line.p_adjusted, alpha)),
        Cell(f"{before:,} / {here:,} of {line.harmful:,}", "bad" if here > before else ""),
        _interval(line.probability, reach) if line.probability else Cell(fmt.undefined(line.n), "muted"),
    ]


def _interval(found: Interval, reach: float) -> Cell:
    return Cell(fmt.points_interval(found), interval=found, scale="difference", reach=reach)
