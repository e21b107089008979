"""Configurations and data files that no person would write, by seed: wrong types, extremes, depth, odd texts."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from so8t_shared.config.faults import section_of
from so8t_shared.config.model import Config
from so8t_shared.labels import LABELS

_PLAIN = (
    *("", "~", "null", "true", "no", "0", "-1", "1", "2", "8", "1000", "0.5", "1.5", "-0.0", ".nan", ".inf", "-.inf"),
    *("1e999", "1e-400", "9223372036854775808", "9" * 30, "0x10", "0o17", "1_000", "1:30", "2020-01-01", "<<", "="),
    *("2001-12-14t21:59:43.10-05:00", "!!binary aGk=", "!!set {a}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!str 1"),
    *("auto", "cpu", "cuda", "all", "4-11", "11-4", "0-99999999999", "a,b", "q4_k_m", "Q4_K_M", "f16", "none", "-"),
    *(
        '""',
        "' '",
        '"\\0"',
        '"\\x1b[31m"',
        '"\\u202e"',
        '"\\ud800"',
        "'日本語'",
        '"%Y/%q%"',
        "'%'",
        "'../../x'",
        "'~root'",
    ),
    *('"C:\\\\data"', "D:/data/x", "'\\\\server\\share'", "owner/name", "http://[::1", "http://u:p@h:99999/%zz", "."),
    *("model", "rows.jsonl", "'a: b'", '"' + "x" * 3000 + '"', "http://127.0.0.1:9", "json", "utf-16", "text", "mit"),
)
_BROKEN = (
    *(
        "9" * 5000,
        "2020-99-99",
        "12:30:99",
        "!!binary x",
        "!!python/object:os.system x",
        "!!float x",
        "!!int x",
        "!a b",
    ),
    *("!!timestamp x", "!!null x", "!!bool x", "&a [1]", "*a", "[", "}", '"', "?", "- -", "|", ">-", "%", "&a [*a]"),
)
_FLOWS = ("[]", "{}", "[[]]", "[1, a]", "{a: 1}", "{1: 2}", "{null: 1}", "{[1]: 2}", "[{}]", "[null]", "['', '']")
_MAIN = "model_a: {base_model: model}\ndataset: {paths: [rows.jsonl]}\n"
_TEXTS = ("about the weather", "for a manager", "の計算", "with a password", "on paper", "in the garage", "by noon")
_TEXT_KEYS = ("text", "instruction", "input", "output", "prompt", "response", "query", "messages", "conversations")
_OTHER_KEYS = (
    "label",
    "four_class_label",
    "quadruple_classification",
    "nsfw_label",
    "split",
    "language",
    "id",
    "turns",
)


def configuration(seed: int) -> str:
    """Return the text of a configuration file; about half are YAML, and about half of these name a model and data."""
    random = Random(seed)
    lines = _section(random, Config, 0)
    text = "\n".join(lines) + "\n"
    if random.random() < 0.6:
        dropped = ("model_a", "dataset")
        kept = _section(random, Config, 0, without=dropped)
        text = _MAIN + "\n".join(kept) + "\n"
    return _damaged(random, text) if random.random() < 0.2 else text


def _section(random: Random, section: type[BaseModel], depth: int, without: tuple[str, ...] = ()) -> list[str]:
    names = [name for name in section.model_fields if name not in without]
    chosen = random.sample(names, min(len(names), random.choice((1, 1, 1, 2, 8))))
    lines = []
    for name in chosen:
        inner = section_of(section, name)
        if inner and random.random() < 0.8:
            lines += [f"{'  ' * depth}{name}:", *_section(random, inner, depth + 1)]
        else:
            given = _fitting(random, section.model_fields[name]) if random.random() < 0.5 else _value(random)
            lines.append(f"{'  ' * depth}{name}: {given}")
    if random.random() < 0.05:
        lines.append(f"{'  ' * depth}{_value(random)}: {_value(random)}")
    return lines


def _fitting(random: Random, field: FieldInfo) -> str:
    """Return a value of the field's type, which may be out of its bounds."""
    kind = str(field.annotation)
    words = [word for word in re.findall(r"'([^']*)'", kind) if "Literal" in kind]
    if words:
        return random.choice(words)
    if "int" in kind or "float" in kind:
        return random.choice(("0", "1", "2", "3", "16", "100", "2048", "2147483648", "1e18", "0.01", "0.99", "-3"))
    if "list" in kind:
        return random.choice(("[]", "[a]", "[q_proj]", "[f16]", "[rows.jsonl]", "[rows.jsonl, rows.jsonl]", "['']"))
    return random.choice(_PLAIN)


def _value(random: Random) -> str:
    kind = random.random()
    if kind < 0.65:
        return random.choice(_PLAIN)
    if kind < 0.7:
        return random.choice(_BROKEN)
    if kind < 0.9:
        return random.choice(_FLOWS)
    if kind < 0.93:
        deep = random.choice((3, 150, 300, 1000))
        return "[" * deep + "]" * deep
    return f"[{', '.join(random.choice(_PLAIN) for _ in range(3))}]"


def _damaged(random: Random, text: str) -> str:
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(text) + 1)
        text = (
            text[:at] + random.choice("\t:\0[]{}&*!|>'\"%@`,\n  \u2028\ufeff\x85") + text[at + random.randint(0, 2) :]
        )
    return text


def data(seed: int) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a data file; about half of it is rows, a few of them odd."""
    random = Random(seed)
    odd = (".json", ".csv", ".tsv", ".parquet", ".txt", ".jsonl.gz", ".unknown")
    suffix = ".jsonl" if random.random() < 0.7 else random.choice(odd)
    kind = random.random()
    if kind < 0.15:
        return suffix, random.randbytes(random.choice((0, 1, 7, 300, 5000)))
    rows = [{"text": f"Request number {i} {_TEXTS[i % 7]}", "label": LABELS[i % 4]} for i in range(40)]
    if kind < 0.85:
        rows = [_row(random, row) if random.random() < random.choice((0.05, 1)) else row for row in rows]
    text = "\n".join(json.dumps(row, ensure_ascii=random.random() < 0.5) for row in rows)
    if suffix == ".json":
        text = json.dumps(rows)
    elif suffix in {".csv", ".tsv"}:
        comma = random.choice(",;\t|")
        cells = [["text", "label", *random.sample(_OTHER_KEYS, 2)]] + [
            [random.choice(_PLAIN) for _ in range(4)] for _ in rows
        ]
        text = "\n".join(comma.join(line) for line in cells)
    if random.random() < 0.15:
        text = _damaged(random, text)
    encoding = "utf-8" if random.random() < 0.7 else random.choice(("utf-8-sig", "utf-16", "cp932", "latin-1"))
    return suffix, text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


def _row(random: Random, row: dict[str, Any]) -> Any:
    if random.random() < 0.05:
        return _json(random, 0)
    return row | {key: _json(random, 0) for key in random.sample(_TEXT_KEYS + _OTHER_KEYS, random.choice((1, 1, 2, 5)))}


def _json(random: Random, depth: int) -> Any:
    kind = random.random()
    if kind < 0.6 or depth > 3:
        odd: tuple[Any, ...] = (
            *(
                None,
                True,
                False,
                0,
                -1,
                3,
                2.5,
                1e308,
                float("nan"),
                float("inf"),
                10**25,
                "",
                " ",
                "ALLOW",
                "0",
                "1.0",
            ),
            *(
                "x" * 5000,
                "\x00",
                "\x1b[31m",
                "\ud800",
                "\u2028",
                "日本語",
                "<final>DENY</final>",
                "<think>",
                "<final>",
            ),
            *(
                "<think-a>a</think-a><final>ALLOW</final>",
                "test",
                "train",
                "user",
                "assistant",
                "system",
                "gpt",
                "human",
            ),
        )
        return random.choice(odd)
    if kind < 0.8:
        return [_json(random, depth + 1) for _ in range(random.randrange(4))]
    keys = ("role", "from", "content", "value", "task", "safety", "policy", "final", "four_class_label", "", "\x1b")
    return {random.choice(keys): _json(random, depth + 1) for _ in range(random.randrange(4))}
