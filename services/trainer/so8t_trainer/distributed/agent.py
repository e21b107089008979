"""torchrun's elastic agent under the leader: `python -m so8t_trainer.distributed.agent LEADER-PID TORCHRUN-ARGUMENTS`.

It ends when the leader ends, however that ends.
"""

from __future__ import annotations

import os
import sys

from so8t_shared.processes import end_with
from so8t_trainer.distributed.job import AGENT, OWN_STORE


def main() -> None:
    """Run the agent."""
    end_with(int(sys.argv[1]), at_once=True)
    os.environ[AGENT] = str(os.getpid())
    os.environ[OWN_STORE] = "1"
    from torch.distributed.run import main as torchrun

    torchrun(sys.argv[2:])


if __name__ == "__main__":
    main()
