"""Small four-class data sets for tests: easy to learn; one in schema (b), one in the shapes of the first user."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

_VERBS = {
    "ALLOW": ("show me", "open", "print", "read out"),
    "ESCALATION": ("approve", "sign", "authorize", "release"),
    "DENY": ("copy", "forward", "publish", "hand over"),
    "REFUSE": ("destroy", "sabotage", "forge", "poison"),
}
_OBJECTS = ("the calendar", "the invoice", "the minutes", "the map", "the recipe", "the ledger", "the seating plan")
_ENDINGS = ("before noon", "for the committee", "once more", "without delay", "in two copies", "for the archive")


def write_rows(path: Path, *, per_class: int = 24, seed: int = 3) -> Path:
    """Write JSONL rows {text, label, group, language} and the card that declares their license."""
    choose = random.Random(seed)
    rows = []
    for label, verbs in _VERBS.items():
        seen: set[str] = set()
        while len(seen) < per_class:
            number = choose.randrange(1000)
            text = f"{choose.choice(verbs)} {choose.choice(_OBJECTS)} {choose.choice(_ENDINGS)} number {number}"
            if text not in seen:
                seen.add(text)
                rows.append({"text": text, "label": label, "group": f"{label}-{len(seen)}", "language": "en"})
    choose.shuffle(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    card = "license: cc0-1.0\nprovenance: made by the tests of this project\n"
    (path.parent / "dataset_card.yaml").write_text(card, encoding="utf-8")
    return path


_JA_VERBS = {
    "ALLOW": ("見せて", "開いて"),
    "ESCALATION": ("承認して", "署名して"),
    "DENY": ("写して", "転送して"),
    "REFUSE": ("壊して", "偽造して"),
}
_JA_OBJECTS = ("予定表", "請求書", "議事録", "地図", "献立表", "元帳")
_WORDS = {"ALLOW": "許可", "ESCALATION": "エスカレーション", "DENY": "拒否", "REFUSE": "REFUSE"}
_QUADRUPLE = ("task", "safety", "policy")
_LENSES = ("logic", "ethics", "practical", "creative")


def write_thinking_rows(folder: Path, *, per_class: int = 16, encoding: str = "utf-8") -> Path:
    """Write quadruple_thinking_{train,val,test}.jsonl with Japanese rows that think, in five shapes, and their card."""
    texts = [
        (label, f"{thing}の第{number}号を{verb}ください。")
        for label, verbs in _JA_VERBS.items()
        for number, (verb, thing) in zip(range(per_class), itertools.cycle(itertools.product(verbs, _JA_OBJECTS)))
    ]
    random.Random(5).shuffle(texts)
    rows = [_thinking_row(number, text, label) for number, (label, text) in enumerate(texts)]
    cut = [len(rows) * 5 // 8, len(rows) * 6 // 8]
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", rows[: cut[0]]), ("val", rows[cut[0] : cut[1]]), ("test", rows[cut[1] :])):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (folder / f"quadruple_thinking_{name}.jsonl").write_bytes(lines.encode(encoding))
    card = "license: cc0-1.0\nprovenance: made by the tests of this project\n"
    (folder / "dataset_card.yaml").write_text(card, encoding="utf-8")
    return folder


def _thinking_row(number: int, text: str, label: str) -> dict[str, object]:
    """One of five shapes in turn; each says why, and the class in another way."""
    roles = _LENSES if number % 2 else _QUADRUPLE
    thinking = "".join(f"<think-{role}>「{text[:4]}」を{role}で考える。</think-{role}>" for role in roles)
    more: dict[str, object] = {"language": "ja", "domain_label": "office", "source_id": number}
    match number % 5:
        case 0:
            return {"text": text, "output": f"{thinking}<final>{label}</final>", "safety_label": label, **more}
        case 1:
            output = f"{thinking}\n判断: <final>{_WORDS[label]}</final>"
            return {"instruction": "次の依頼を判断する。", "input": text, "output": output, "safety_label": "?", **more}
        case 2:
            parts = dict.fromkeys(roles, f"「{text[:4]}」を考える。")
            said = {**parts, "final": label, "four_class_label": label}
            return {"text": text, "quadruple_classification": said, **more}
        case 3:
            before = (("system", "あなたは受付係です。"), ("human", "もしもし"), ("gpt", "はい、どうぞ。"))
            turns = (*before, ("human", text), ("gpt", f"<think>{text}</think>{label}"))
            said = [{"from": who, "value": words} for who, words in turns]
            return {"conversations": said, **more}
        case _:
            return {"text": text, "four_class_label": label, **more}
