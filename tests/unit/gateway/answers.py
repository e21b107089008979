"""Answers that a model might write, with a secret marker where nobody may look."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

MARKER = "QZXMARKERQZX"

LEAST_BYTES = 24
"""Enough for all choices of an answer."""

PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<THINK>", "</THINK>"),
    ("<think-task>", "</think-task>"),
    ("<think-safety>", "</think-safety>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<|think|>", "<|/think|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel>thought", "<channel|>"),
    ("< think >", "</ think>"),
    ("＜think＞", "＜/think＞"),
    ("<th\u200bink>", "</th\u200bink>"),
    ("<think", "</think"),
    ("<thіnk>", "</thіnk>"),
    ("<pondering>", "</pondering>"),
    ("<｜begin▁of▁thinking｜>", "<｜end▁of▁thinking｜>"),
    ("<details type='reasoning'>", "</details>"),
    ("<tool_call>", "</tool_call>"),
    ("<answer>", "</answer>"),
]
"""Openings and closings of many model families, of look-alikes, and of tags that nobody knows."""

CLOSINGS = [*(closing for _, closing in PAIRS), "assistantfinal", ""]
NOISE = [
    *(
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u202e",
        "\u2060",
        "\u00ad",
        "\ud83d",
        "\udc00",
        "\0",
        "\n",
        " ",
        "ＡＬＬＯＷ",
        "<",
        ">",
    ),
    *("<final", "final>", "</", "</final>", "<final>", "<FINAL>", "＜final＞", "<fin\u200bal>", "<finаl>", "```", "**"),
    *(
        '{"name": "f", "arguments": {}}',
        "[TOOL_CALLS]",
        "<|im_end|>",
        "<|tool_call|>",
        "assistant",
        "ALLOW",
        "DENY",
        "0",
    ),
]
FINALS = [
    *(
        "<final>ALLOW</final>",
        "<final>DENY</final>",
        "<FINAL>refuse</FINAL>",
        "<final>Go ahead.</final>",
        "<final>2</final>",
    ),
    *(
        "<final>ALLOW",
        "<final></final>",
        "<final>ALLOW|DENY</final>",
        "＜final＞ALLOW＜/final＞",
        "<final>AL\u200bLOW</final>",
    ),
]


class _Dice:
    """Choices from bytes: the same bytes make the same choices, and zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._left = list(data)

    def number(self, below: int) -> int:
        return (self._left.pop(0) if self._left else 0) % below

    def one_of(self, options: Sequence[str]) -> str:
        return options[self.number(len(options))]

    def some_of(self, options: Sequence[str], most: int) -> list[str]:
        return [self.one_of(options) for _ in range(self.number(most + 1))]


def answer_of(data: bytes) -> str:
    """The answer that these bytes choose: thinking with the marker among finals, noise and stray tags, in any order.

    Half of them are like those of a trained model, with a final at their end.
    """
    dice = _Dice(data)
    if dice.number(2):
        return _thought(dice) + dice.one_of([*FINALS, *[""] * 4])
    parts = dice.some_of([*FINALS, *NOISE, *CLOSINGS], 4)
    parts.insert(dice.number(len(parts) + 1), _thought(dice))
    return "".join(parts)


def _thought(dice: _Dice) -> str:
    """Thinking after an opening of any family: closed or not, fitting or not, nested or not."""
    inside = [*NOISE, *["so"] * len(NOISE), "<final>ALLOW</final>"]
    secret = MARKER if dice.number(4) else f"<final>{MARKER}</final>"
    thought = "".join([*dice.some_of(inside, 3), secret, *dice.some_of(inside, 3)])
    for _ in range(1 + dice.number(3)):
        opening, closing = PAIRS[dice.number(len(PAIRS))]
        thought = opening + thought + (closing if dice.number(4) else dice.one_of(CLOSINGS))
    return thought


def answers() -> st.SearchStrategy[str]:
    """See `answer_of`."""
    return st.binary(min_size=LEAST_BYTES, max_size=2 * LEAST_BYTES).map(answer_of)
