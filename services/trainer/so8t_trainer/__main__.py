"""`python -m so8t_trainer`: train model B."""

from so8t_shared.running.service import service_main

if __name__ == "__main__":
    raise SystemExit(service_main({"train": "so8t_trainer.stages:train"}))
