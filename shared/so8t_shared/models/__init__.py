"""Model code shared by trainer, converter and evaluator: prompts, gate rotations, weight files."""
