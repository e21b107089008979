"""Answers that a model might write, with a secret marker where nobody may look."""

from __future__ import annotations

from hypothesis import strategies as st

MARKER = "QZXMARKERQZX"

OPENINGS = [
    *("<think>", "<thinking>", "<THINK>", "<think-task>", "<think-safety>", "<thought>", "<reasoning>", "<seed:think>"),
    *("<mm:think>", "<|think|>", "[THINK]", "◁think▷", "<|begin_of_thought|>", "<|START_THINKING|>", "<scratchpad>"),
    *(
        "<|channel|>analysis<|message|>",
        "<|channel>thought",
        "<think",
        "< think >",
        "＜think＞",
        "<th\u200bink>",
        "<think >",
    ),
    *("<thіnk>", "<pondering>", "<｜begin▁of▁thinking｜>", "<details type='reasoning'>", "<tool_call>", "<answer>", ""),
]
CLOSINGS = [
    *("</think>", "</thinking>", "</THINK>", "</think-task>", "</think-safety>", "</thought>", "</reasoning>"),
    *("</seed:think>", "</mm:think>", "<|/think|>", "[/THINK]", "◁/think▷", "<|end_of_thought|>", "<|END_THINKING|>"),
    *("</scratchpad>", "<|end|><|start|>assistant<|channel|>final<|message|>", "<channel|>", "</think", "</ think>"),
    *(
        "＜/think＞",
        "</th\u200bink>",
        "</thіnk>",
        "</pondering>",
        "<｜end▁of▁thinking｜>",
        "</details>",
        "</tool_call>",
    ),
    *("</answer>", "assistantfinal", ""),
]
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


def thoughts() -> st.SearchStrategy[str]:
    """Thinking with the marker: after an opening of any family, closed or not, fitting or not, nested or not."""
    inner = st.lists(st.sampled_from([*NOISE, "so", "<final>ALLOW</final>"]), max_size=4).map("".join)
    opened = st.sampled_from([opening for opening in OPENINGS if opening])
    marked = st.tuples(opened, inner, st.just(MARKER), inner, st.sampled_from(CLOSINGS)).map("".join)
    return st.recursive(marked, _wrapped, max_leaves=4)


def _wrapped(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(OPENINGS), inside, st.sampled_from(CLOSINGS)).map("".join)


@st.composite
def answers(draw: st.DrawFn) -> str:
    """Thinking among finals, noise and stray tags, in any order."""
    others = st.sampled_from([*FINALS, *NOISE, *CLOSINGS])
    parts = [draw(thoughts()), *draw(st.lists(others, max_size=4))]
    return "".join(draw(st.permutations(parts)))
