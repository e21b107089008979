"""`python -m so8t_converter STAGE -c CONFIG`."""

from __future__ import annotations

from so8t_shared.running.service import service_main

if __name__ == "__main__":
    raise SystemExit(
        service_main(
            {
                "convert-a": "so8t_converter.stages:convert_a",
                "convert-b": "so8t_converter.stages:convert_b",
            }
        )
    )
