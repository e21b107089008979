"""Log-probabilities through Ollama: the tokens' texts, and figures that are only bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_models import make_llama, make_phi3
from tests.unit.converter.conftest import kept_in
from tests.unit.engines.conftest import chatml

from so8t_converter.convert import Conversion, convert
from so8t_engines.ollama.scored import After, Answers, Likely, answers_of, score
from so8t_engines.protocol import ModelFile
from so8t_engines.tokens import pieces_of
from so8t_evaluator.scoring import CHOICES

ANSWERS = Answers("", "<final", ">", (("ALL", "OW"), ("DENY",), ("RE", "FU", "SE")), apart=True)


def _after(**shown: dict[str, float]) -> After:
    return lambda written, _tokens, _listed: [Likely(shown[written or "first"], second_look=not written)]


def test_sum_over_tokens() -> None:
    """Each token is looked for after those before it."""
    sums = score(
        ANSWERS,
        _after(first={"ALL": -1.0, "DENY": -2.0, "RE": -3.0}, ALL={"OW": -0.5}, RE={"FU": -0.1}, REFU={"SE": -0.2}),
    )
    assert sums.logprobs == pytest.approx((-1.5, -2.0, -3.3))
    assert (sums.bounds, sums.best, sums.second_look) == ((False, False, False), 0, True)


def test_bounds() -> None:
    """A token that is not shown is at most as likely as the least likely one that is; the rest can only lower it."""
    shown = {"first": {"DENY": -2.0, "RE": -1.0, "x": -3.0}, "RE": {"FU": -0.5, "y": -4.0}, "REFU": {"y": -9.0}}
    sums = score(ANSWERS, _after(**shown))
    assert sums.logprobs == pytest.approx((-3.0, -2.0, -10.5))
    assert (sums.bounds, sums.best) == ((True, False, True), 1)


def test_a_bound_can_leave_the_class_open() -> None:
    """Where a label that is not shown may be the likeliest, there is no likeliest."""
    shown = {"first": {"ALL": -1.0, "x": -3.0}, "ALL": {"OW": -5.0}}
    assert score(ANSWERS, _after(**shown)).best is None
    assert score(ANSWERS, _after(first={"x": -3.0})).best is None


Asked = list[tuple[str, int, bool]]
SHOWN = {"ALL": -1.0, "OW": -2.0, "DENY": -3.0, "RE": -4.0, "FU": -5.0, "SE": -6.0, "y": -7.0}


def _writer(*tokens: str, asked: Asked, later: dict[str, tuple[str, ...]] | None = None) -> After:
    """A model that writes `tokens` after the opening, `later` after other texts and else "y"."""
    written = {"": tokens, **(later or {})}

    def after(text: str, wanted: int, listed: bool) -> list[Likely]:
        asked.append((text, wanted, listed))
        chosen = written.get(text, ("y", "y"))
        return [Likely(SHOWN if listed else {one: SHOWN.get(one, -8.0)}, False, one, listed) for one in chosen[:wanted]]

    return after


def test_what_the_model_writes_itself_is_not_asked_again() -> None:
    """The first request shows the tokens of the answer that the model begins, with the figures of single requests."""
    asked: Asked = []
    sums = score(ANSWERS, _writer("RE", "FU", "x", asked=asked))
    assert asked == [("", 3, True), ("ALL", 1, False), ("ALL", 1, True)]
    assert sums.begun
    assert sums == score(ANSWERS, _writer("RE", "FU", "x", asked=asked), ahead=False)
    assert [text for text, _, listed in asked[3:] if listed] == ["", "ALL", "RE", "REFU"]


def test_the_likeliest_are_listed_only_where_the_model_goes_on_otherwise() -> None:
    """A list costs the server time; the token that the model goes on with has the same figure without one."""
    asked: Asked = []
    follows = {"ALL": ("OW",), "RE": ("FU", "x")}
    sums = score(ANSWERS, _writer("DENY", asked=asked, later=follows))
    assert asked == [("", 3, True), ("ALL", 1, False), ("RE", 2, False), ("REFU", 1, True)]
    assert sums.logprobs == (-3.0, -3.0, -15.0)
    assert sums.bounds == (False, False, False)
    assert sums == score(ANSWERS, _writer("DENY", asked=asked))


@pytest.mark.parametrize("written", [("REFU", "SE", ""), ("R", "EFU", "SE"), ("", "RE", "FU"), ("y", "RE", "FU")])
def test_other_tokens_than_an_answers(written: tuple[str, ...]) -> None:
    """Only an answer's own tokens count, even where others make up the same text."""
    asked: Asked = []
    sums = score(ANSWERS, _writer(*written, asked=asked))
    assert [text for text, _, listed in asked if listed] == ["", "ALL", "RE", "REFU"]
    assert not sums.begun


def test_tokens_of_a_real_model(smollm2: ModelFile) -> None:
    """Byte-level BPE: nothing stands between prompt and answer."""
    answers = answers_of(smollm2.path, CHOICES, chatml("open"))
    labels = (("AL", "LOW"), ("ESC", "AL", "ATION"), ("D", "EN", "Y"))
    assert (answers.separator, answers.before, answers.shared) == ("", "<final", ">")
    assert answers.scored[: len(labels)] == labels
    assert answers.apart


@pytest.mark.parametrize(("ending", "apart"), [("Assistant:", True), ("Answer (", False), (": ", False)])
def test_tokens_that_are_merged(smollm2: ModelFile, ending: str, apart: bool) -> None:
    """Byte-level BPE has tokens such as " <" and "(<": no separator gives the tokens of training after these."""
    answers = answers_of(smollm2.path, CHOICES, f"User: open\n{ending}")
    assert (answers.apart, answers.separator) == (apart, "")
    prompt, choice, whole = (
        [token for token, _ in one]
        for one in pieces_of(smollm2.path, [f"User: open\n{ending}", CHOICES[0], f"User: open\n{ending}{CHOICES[0]}"])
    )
    assert (prompt + choice == whole) == apart


@pytest.mark.parametrize("make", [make_llama, make_phi3])
def test_tokens_of_training(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Together they are the answer, after a space where sentencepiece begins an answer with one."""
    source = make(tmp_path / "source")
    for name in ("output", "scratch"):
        (tmp_path / name).mkdir()
    convert(Conversion(source, "m", ("q8_0",)), tmp_path / "output", tmp_path / "scratch", kept_in(tmp_path / "kept"))
    spaces = []
    control = "<|im_end|>" if make is make_llama else "<|assistant|>"
    for prompt in (f"open{control}", "User: open\nAssistant: so"):
        answers = answers_of(tmp_path / "output" / "m_q8_0.gguf", CHOICES, prompt)
        assert answers.apart
        spaces.append(answers.separator)
        for choice, label in zip(CHOICES, answers.scored, strict=True):
            assert choice.startswith(f"{answers.before}{answers.shared}{''.join(label)}")
    assert spaces == ["", "" if make is make_llama else " "], "sentencepiece puts one after a control token by itself"
