"""Writes an original configuration in the present form, with its comments where they can be kept."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from so8t_shared.config.load import Loaded, read_config
from so8t_shared.config.original.comments import Comments, comments_of
from so8t_shared.config.original.form import Line, Translation
from so8t_shared.errors import ConfigError
from so8t_shared.files import write_atomically

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

_MADE = "made_here"
"""Attribute of a section that the old file does not have."""

_GONE = {"training.config": "", "gguf.convert_script": "the converter is built in"}
"""Keys of the present form that an imported file does not need, and why; the first one's keys stand in the new file."""


def write_import(old: Path, new: Path) -> Loaded:
    """Write `new` from `old` and the training file that it names; the result means the same. Return what `old` says.

    Raises:
        ConfigError: as `load_config` of `old`.
    """
    loaded = read_config(old, environ={})
    text = imported(old, loaded)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.yaml"
        trial.write_text(text, encoding="utf-8")
        again = read_config(trial, environ={})
    if meaning(again) != meaning(loaded):
        raise ConfigError(
            "The file cannot be written in the present form.", where=str(old), remedy="use the file as it is"
        )
    write_atomically(new, text.encode())
    return loaded


def meaning(loaded: Loaded) -> dict[str, Any]:
    """The values of a configuration without keys that only say where other values came from."""
    whole = loaded.config.model_dump(mode="json")
    for dotted in _GONE:
        section, key = dotted.split(".")
        whole[section].pop(key)
    return whole


def imported(old: Path, loaded: Loaded) -> str:
    """The present form of `old`, as YAML text."""
    from ruamel.yaml import YAML  # only here: the other commands do not need it
    from ruamel.yaml.comments import CommentedMap

    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 10_000
    writer.indent(mapping=2, sequence=4, offset=2)
    translation = loaded.original
    whole = translation is not None and translation.file == old
    document = CommentedMap() if whole else writer.load(old.read_text(encoding="utf-8-sig")) or CommentedMap()
    if translation:
        _fill(document, translation)
    gone = []
    for dotted, why in _GONE.items():
        section, key = dotted.split(".")
        if isinstance(document.get(section), dict) and key in document[section]:
            gone += [Line(dotted, _plain(document[section][key]), why=why)] if why else []
            _remove(document[section], key)
    text = io.StringIO()
    writer.dump(document, text)
    unused = [line for line in translation.lines if not line.becomes] if translation else []
    ends = [_left_out(old, gone), _left_out(translation.file, unused) if translation else ""]
    return text.getvalue().rstrip("\n") + "\n" + "".join(ends)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value  # ruamel's texts know their quotes, which PyYAML does not


def _fill(document: CommentedMap, translation: Translation) -> None:
    """Put the translated keys into the document, each with the comments of the keys that it came from."""
    comments = comments_of(translation.file)
    seen: set[str] = set()
    for becomes, lines in _by_result(translation.lines).items():
        notes = [_with_section(line.key, comments, seen) for line in lines]
        _put(document, becomes, lines[0].result, notes)


def _by_result(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        if line.becomes:
            found.setdefault(line.becomes, []).append(line)
    return found


def _with_section(key: str, comments: dict[str, Comments], seen: set[str]) -> Comments:
    """A key's comments; those of its section stand above the first key that is kept of it."""
    own = comments.get(key) or comments.get(key.rpartition(".")[2]) or Comments()
    section = key.partition(".")[0]
    if section in seen or "." not in key:
        return own
    seen.add(section)
    return Comments([*comments.get(section, Comments()).above, *own.above], own.behind)


def _put(document: CommentedMap, dotted: str, value: Any, notes: list[Comments]) -> None:
    *outer, name = dotted.split(".")
    node, made = document, True
    for part in outer:
        if not isinstance(node.get(part), dict):
            _insert(node, part, _new_section(), at_end=made)
        node = node[part]
        made = getattr(node, _MADE, False)
    _insert(node, name, _in_one_line(value), at_end=made)
    above = [line for note in notes for line in note.above]
    behind = "; ".join(note.behind for note in notes if note.behind)
    if above:
        node.yaml_set_comment_before_after_key(name, before="\n".join(above), indent=2 * len(outer))
    if behind:
        node.yaml_add_eol_comment(behind, name)


def _new_section() -> CommentedMap:
    from ruamel.yaml.comments import CommentedMap

    section = CommentedMap()
    setattr(section, _MADE, True)
    return section


def _in_one_line(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedSeq

    if not isinstance(value, list) or any(isinstance(item, str) for item in value):
        return value
    line = CommentedSeq(value)
    line.fa.set_flow_style()
    return line


def _insert(node: CommentedMap, name: str, value: Any, *, at_end: bool) -> None:
    """Add a key; in an old section, before its last key, which holds the comments that follow the section."""
    if at_end or name in node or not node:
        node[name] = value
    else:
        node.insert(len(node) - 1, name, value)


def _remove(node: CommentedMap, name: str) -> None:
    """Remove a key; comments below it that belong to what follows go to the key before it."""
    token = (node.ca.items.get(name) or [None] * 3)[2]
    was_last = list(node)[-1] == name
    del node[name]
    below = token.value.partition("\n")[2] if token and was_last else ""
    if below.strip() and node:
        _append_comment(node, below)


def _append_comment(node: Any, below: str) -> None:
    """Put lines of comment below the last value of a section."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    key = list(node)[-1] if isinstance(node, CommentedMap) else len(node) - 1
    if isinstance(node[key], CommentedMap | CommentedSeq) and node[key]:
        _append_comment(node[key], below)
        return
    place = 2 if isinstance(node, CommentedMap) else 0
    tokens = node.ca.items.setdefault(key, [None] * 4)
    token = tokens[place]
    if token is None:
        tokens[place] = CommentToken("\n" + below, CommentMark(0), None)
    else:
        token.value = token.value.rstrip("\n") + "\n" + below


def _left_out(file: Path, unused: list[Line]) -> str:
    """Comments that name each key of a file without effect, and why."""
    if not unused:
        return ""
    lines = [f"#   {line.key}: {_in_a_line(line.value)} ({line.why})" for line in unused]
    return "\n".join(["", f"# Keys of {file.name} that have no effect:", *lines, ""])


def _in_a_line(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    )
