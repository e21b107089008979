"""What ranks do together, in real processes that meet by gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_RANK = """
import json, os, sys, time
import torch
import torch.distributed as dist
from so8t_trainer.distributed.group import Ranks

rank = int(os.environ["LOCAL_RANK"])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/store", rank=rank, world_size=3)
ranks = Ranks(torch.device("cpu"), leads=rank == 0, sharded=True)

def work():
    began = time.monotonic()
    time.sleep(0.2)
    return began, time.monotonic()

with open(f"{sys.argv[1]}/{rank}.json", "w") as file:
    json.dump(ranks.in_turn(work), file)
dist.destroy_process_group()
"""


def test_ranks_of_a_host_take_turns(tmp_path: Path) -> None:
    """No two of three work at once, and each gets its own result."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _RANK, str(tmp_path)],
            env={**os.environ, "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "3", "OMP_NUM_THREADS": "1"},
        )
        for rank in range(3)
    ]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    spans = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert spans[0][1] <= spans[1][0]
    assert spans[1][1] <= spans[2][0]
