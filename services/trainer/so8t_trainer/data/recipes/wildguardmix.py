"""WildGuardMix: {prompt, adversarial, response, prompt_harm_label (harmful, unharmful, null), subcategory}; Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import NO_TEXT, Mapped, Recipe, by_category, word

_HARMFUL = {
    "private_information_individual": "DENY",
    "sensitive_information_organization_government": "DENY",
    "copyright_violations": "DENY",
    "mental_health_over-reliance_crisis": "ESCALATION",
}


def _row(row: Mapping[str, Any], _file: Path) -> Mapped:
    label, category = word(row, "prompt_harm_label").lower(), word(row, "subcategory")
    if label == "harmful":
        original, becomes = by_category(label, category, _HARMFUL, "REFUSE")
    elif label == "unharmful":
        original, becomes = label, "ALLOW"
    else:
        return Mapped(label or "none", why="unknown class" if label else "annotators did not agree on the request")
    if not (text := word(row, "prompt")):
        return Mapped(original, why=NO_TEXT)
    return Mapped(original, becomes, {"text": text, "category": category, "language": "en"})


RECIPE = Recipe(
    "wildguardmix",
    "plain and adversarial requests, harmful and harmless",
    "Allen Institute for AI, WildGuardMix, https://huggingface.co/datasets/allenai/wildguardmix (arXiv:2406.18495)",
    "odc-by",
    ("prompt", "prompt_harm_label"),
    _row,
    "Given out under AI2's Responsible Use Guidelines, which its user accepted.",
)
