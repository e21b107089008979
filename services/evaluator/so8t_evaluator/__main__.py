"""Entry point here and in the container: `python -m so8t_evaluator STAGE -c CONFIG`."""

from so8t_shared.running.service import service_main
from so8t_shared.stages import work_of

if __name__ == "__main__":
    raise SystemExit(service_main(work_of("so8t_evaluator")))
