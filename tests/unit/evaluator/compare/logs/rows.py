"""Eight rows, and what the scripted A and B write about them."""

from __future__ import annotations

LABELS = ["ALLOW", "ESCALATION", "DENY", "REFUSE"]
ROWS = [
    {
        "id": f"r{i}",
        "text": f"request {i}",
        "label": LABELS[i % 4],
        "group": f"t{i // 2}",
        "language": "ja" if i % 3 == 0 else "en",
    }
    for i in range(8)
]


def answer(prompt: str, model: str) -> str:
    """B knows every class but writes nothing useful about request 5; A is right with two kinds of rows."""
    number = int(prompt.rsplit(" ", 1)[1])
    gold = LABELS[number % 4]
    if model == "b":
        return "I cannot say." if number == 5 else f"<final>{gold}</final>"
    return ["<final>ALLOW</final>", f"<final>{gold}</final>", "allow", "<think>REFUSE</think>no class"][number % 4]
