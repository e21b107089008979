"""The GPUs that the installed llama.cpp can use; its wheel for CPUs has none.

`python -m so8t_engines.embedded.devices` prints their names. It is a process of its own, because looking for GPUs can
take memory on them until the process ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def gpus() -> list[str]:
    """Return a name for each GPU; none where llama.cpp finds none or fails to look."""
    command = [sys.executable, "-m", "so8t_engines.embedded.devices"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [str(name) for name in json.loads(done.stdout.splitlines()[-1])] if done.returncode == 0 else []


def _main() -> None:
    import xllamacpp

    kinds = xllamacpp.ggml_backend_dev_type
    wanted = {kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU}
    found = [one for one in xllamacpp.get_device_info() if one["type"] in wanted]
    print(json.dumps([f"{one['description']} ({one['name']})" for one in found]), flush=True)
    os._exit(0)  # llama.cpp's destructors can hang


if __name__ == "__main__":
    _main()
