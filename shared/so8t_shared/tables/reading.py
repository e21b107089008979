"""How models mark their reasoning, and what they write for a label: one row each. `models.reading` reads by them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TagName:
    """The name of a tag around reasoning, `<name>...</name>`; it may have a prefix, as in `<seed:think>`."""

    name: str
    any_suffix: bool = False
    """Whether names that begin like this count too, such as `<think-task>`."""


@dataclass(frozen=True)
class Markers:
    """Other marks around reasoning, as regular expressions; upper and lower case are the same."""

    opens: str
    closes: str
    used_by: str
    nests: bool = True
    """If not, one closing mark ends all that were opened."""


TAG_NAMES: tuple[TagName, ...] = (
    TagName("think", any_suffix=True),
    TagName("thought", any_suffix=True),
    TagName("reason"),
    TagName("reasoning", any_suffix=True),
    TagName("rationale"),
    TagName("reflect"),
    TagName("reflection"),
    TagName("self-reflection"),
    TagName("self_reflection"),
    TagName("analysis"),
    TagName("scratchpad"),
    TagName("cot"),
    TagName("chain_of_thought"),
    TagName("chain-of-thought"),
    TagName("inner_monologue"),
    TagName("inner_thoughts"),
    TagName("deliberation"),
)

MARKERS: tuple[Markers, ...] = (
    Markers(r"\[think(?:ing)?\]", r"\[/think(?:ing)?\]", "Magistral"),
    Markers(r"◁think▷", r"◁/think▷", "Kimi"),
    Markers(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>", "OpenThinker, Sky-T1"),
    Markers(r"<\|start_thinking\|>", r"<\|end_thinking\|>", "Command A Reasoning"),
    Markers(r"<\|channel>thought", r"<channel\|>", "Gemma 4"),
    Markers(
        r"<\|channel\|>(?!\s*+final)", r"<\|channel\|>\s*+final\s*+(?:<\|message\|>)?", "gpt-oss (Harmony)", nests=False
    ),
    Markers(
        r"(?-i:\Aanalysis(?=[A-Z]))",
        r"(?-i:assistantfinal)",
        "gpt-oss, where the engine leaves out special tokens",
        nests=False,
    ),
)

SYNONYMS: dict[str, str] = {
    "allowed": "ALLOW",
    "permit": "ALLOW",
    "permitted": "ALLOW",
    "approve": "ALLOW",
    "approved": "ALLOW",
    "許可": "ALLOW",
    "許可する": "ALLOW",
    "承認": "ALLOW",
    "escalated": "ESCALATION",
    "エスカレーション": "ESCALATION",
    "エスカレート": "ESCALATION",
    "要確認": "ESCALATION",
    "denied": "DENY",
    "拒否": "DENY",
    "拒否する": "DENY",
    "却下": "DENY",
    "不許可": "DENY",
    "refused": "REFUSE",
    "refusal": "REFUSE",
    "拒絶": "REFUSE",
    "拒絶する": "REFUSE",
}
"""Words for a label, in lower case; only the lenient reading knows them."""

PLACEHOLDERS: frozenset[str] = frozenset(
    {
        "label",
        "labels",
        "your label",
        "the label",
        "final label",
        "class",
        "category",
        "answer",
        "your answer",
        "decision",
        "your decision",
        "ラベル",
    }
)
"""What stands in a format example instead of a label, in lower case."""
