"""What a run will write, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from so8t_shared.formatting import size
from so8t_shared.planning.disk import Disk


def disk_table(disks: Sequence[Disk]) -> Table:
    """One row per kind of file, and one per disk."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("large files of", "what", "size"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for disk in disks:
        for item in disk.written:
            table.add_row(item.stage, Text(item.what), size(item.size_bytes))
        style = "bold red" if disk.certain_bytes > disk.free_bytes else "bold"
        places = ", ".join(map(str, disk.folders))
        free = f"of {size(disk.free_bytes)} free on the disk of {places}"
        table.add_row("all", Text(free, style=style), Text(size(disk.needed_bytes), style=style), end_section=True)
    return table
