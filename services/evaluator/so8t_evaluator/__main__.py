"""`python -m so8t_evaluator import|evaluate`: entry point here and in the container."""

from so8t_shared.running.service import service_main

if __name__ == "__main__":
    raise SystemExit(
        service_main({"import": "so8t_evaluator.stages:import_models", "evaluate": "so8t_evaluator.stages:evaluate"})
    )
