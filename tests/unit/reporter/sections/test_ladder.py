"""The section on hand-overs."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import FileLink, Notes, Paragraph
from so8t_reporter.html import render_html
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.markdown import render_markdown
from so8t_shared.results.ladder import Difference, FlippedRow, Handover, Ladder, LadderResult, OtherTokens, Rung


def _rung(name: str, title: str) -> Rung:
    return Rung(name=name, title=title, program="p", right=7, seconds=2.0, load_seconds=1.0, peak_memory_bytes=3 << 20)


def _lost(text: str) -> LadderResult:
    """F16 in llama.cpp lost decisions; `text` stands wherever a user's text may."""
    one = Handover(
        before="merged checkpoint",
        after="F16 in llama.cpp",
        kind="file",
        difference=Difference(logprob_mean=0.5, logprob_max=2.0, kl_mean=0.25, flipped=1),
        within=False,
        beyond=[f"tokens differ in 8 of 8 rows {text}"],
        kl_bound=True,
        gained=0,
        lost=1,
        p_value=0.03,
        p_adjusted=0.03,
        rows=8,
        loss="both",
        flipped=[FlippedRow(id=text, gold="DENY", before="DENY", after="ALLOW", margin=1.5)],
        other_prompts=0,
        other_tokens=8,
        example=OtherTokens(
            id=text, place=3, before_text=text, after_text=f"{text}!", before_ids=[1, 5], after_ids=[1, 1]
        ),
    )
    rungs = [_rung("merged", "merged checkpoint"), _rung("f16", "F16 in llama.cpp")]
    sentence = f"The first loss is at F16 in llama.cpp {text}"
    notes = [text]
    ladder = Ladder(
        side="b", name=text, rows=8, rungs=rungs, handovers=[one], lost_at="f16", sentence=sentence, notes=notes
    )
    return LadderResult(ladders=[ladder])


def test_a_loss(inputs: ReportInputs) -> None:
    """The sentence, a line per rung, what is beyond it, and folded: rows that flipped, prompts side by side."""
    report = text_report(dataclasses.replace(inputs, ladder=_lost("x")))
    (section,) = (s for s in report.sections if s.anchor == "ladder")
    assert section.blocks[0] == Paragraph("The first loss is at F16 in llama.cpp x", "bad")
    assert Notes([("merged checkpoint to F16 in llama.cpp", "tokens differ in 8 of 8 rows x")]) in section.blocks
    assert section.blocks[-1] == FileLink("ladder.json", "all figures")
    rungs, example, flipped = tables_of(report, "ladder").values()
    assert column(rungs, "Made from") == ["", "merged checkpoint"]
    assert column(rungs, "Flipped") == ["", "1"]
    assert column(rungs, "Mean") == ["", "0.500"]
    assert column(rungs, "Largest") == ["", "2.000"]
    assert column(rungs, "KL") == ["", ">0.250"]
    assert (rungs.folded, example.folded, flipped.folded) == (False, True, True)
    assert column(example, "Token ids") == ["1 5", "1 1"]
    assert column(flipped, "After") == ["ALLOW"]


def test_nothing_lost(inputs: ReportInputs) -> None:
    """A sentence and the rungs, nothing more."""
    (lost,) = _lost("x").ladders
    ladder = lost.model_copy(update={"handovers": [], "lost_at": None, "sentence": "Nothing was lost."})
    report = text_report(dataclasses.replace(inputs, ladder=LadderResult(ladders=[ladder])))
    (section,) = (s for s in report.sections if s.anchor == "ladder")
    assert section.blocks[0] == Paragraph("Nothing was lost.", "good")
    assert [block.kind for block in section.blocks] == ["paragraph", "table", "file"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(inputs: ReportInputs, text: str) -> None:
    """Ids, prompts and names of a user are no markup in either report."""
    report = text_report(dataclasses.replace(inputs, ladder=_lost(text)))
    page = render_html(report)
    assert not [mark for mark in ("<script>alert", "<img src=https", "<iframe") if mark in page]
    assert "\n# heading" not in render_markdown(report)


def test_off(inputs: ReportInputs) -> None:
    """Without ab_test.ladder there is no section."""
    assert "ladder" not in [section.anchor for section in text_report(inputs).sections]
