"""WildGuardMix: {prompt, adversarial, response, prompt_harm_label (harmful, unharmful, null), subcategory}; Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from so8t_trainer.data.recipes.recipe import UNKNOWN, Mapped, Recipe, classes, english_prompt, word

_HARMFUL = {
    "private_information_individual": "DENY",
    "sensitive_information_organization_government": "DENY",
    "copyright_violations": "DENY",
    "mental_health_over-reliance_crisis": "ESCALATION",
}


def _row(row: Mapping[str, Any], _file: Path) -> Mapped:
    label, category = word(row, "prompt_harm_label").lower(), word(row, "subcategory")
    original, becomes = classes(label, category, harmful="harmful", by=_HARMFUL, others={"unharmful": "ALLOW"})
    if not becomes:
        return Mapped(original, why=UNKNOWN if label else "annotators did not agree on the request")
    return english_prompt(row, original, becomes, category)


RECIPE = Recipe(
    "wildguardmix",
    "plain and adversarial requests, harmful and harmless",
    "Allen Institute for AI, WildGuardMix, https://huggingface.co/datasets/allenai/wildguardmix (arXiv:2406.18495)",
    "odc-by",
    ("prompt", "prompt_harm_label"),
    _row,
    "Given out under AI2's Responsible Use Guidelines, which its user accepted.",
)
