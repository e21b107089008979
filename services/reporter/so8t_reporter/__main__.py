"""Entry point of the reporter's image: `python -m so8t_reporter report ...`."""

from so8t_shared.running.service import service_main

if __name__ == "__main__":
    raise SystemExit(service_main({"report": "so8t_reporter.stages:report"}))
