"""What trainer, converter and evaluator must do alike to a model: prompts, gate rotations, files of weights."""
