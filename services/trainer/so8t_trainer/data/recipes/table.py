"""The recipes; a new public set is a file and a line here."""

from __future__ import annotations

from so8t_trainer.data.recipes import guardmeter, or_bench, qwen3guard_test, wildguardmix, xstest
from so8t_trainer.data.recipes.recipe import Recipe

RECIPES: tuple[Recipe, ...] = (
    qwen3guard_test.RECIPE,
    guardmeter.RECIPE,
    wildguardmix.RECIPE,
    xstest.RECIPE,
    or_bench.RECIPE,
)

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
