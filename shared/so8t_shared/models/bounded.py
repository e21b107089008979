"""Chat templates that need no process of their own: what they are made of shows how long their text can get.

A template is a program, but most only walk through the messages once and write what they find. Of such a one the text
is at most as long as all data, for each name that it reads and each message; it takes time in proportion. Loops in
loops, calls, macros, numbers that repeat or format a text, and filters that could make it grow are left to the child.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

from jinja2 import nodes
from jinja2.exceptions import TemplateError

from so8t_shared.models.prompts import TEMPLATE_ERRORS, parse_template, render_here
from so8t_shared.models.rendering import unusable

_MOST_LETTERS = 16 << 20
"""Up to what a text is made here."""
_QUOTED = 12
"""A character is written by at most so many: a list that is shown quotes its texts."""

_KNOWN = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.CondExpr),
    *(nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Concat, nodes.Mod, nodes.Filter, nodes.Test, nodes.Call),
)
_FILTERS = {"trim", "capitalize", "lower", "upper", "length", "tojson"}
_MESSAGES = nodes.Name("messages", "load")
_TESTS = {"defined", "undefined", "none", "string", "mapping", "iterable"}


def render_bounded(
    template: str, messages: Sequence[dict[str, str]], *, bos_token: str = "", eos_token: str = ""
) -> str | None:
    """Render as `prompts.render_chat`, here and now; None if only a child process may.

    Raises:
        InputError: the template is not valid, or rejects the messages.
    """
    growth = _growth_of(template)
    letters = sum(len(text) for message in messages for text in message.values())
    if growth is None or growth * len(messages) * (letters + len(template)) > _MOST_LETTERS:
        return None
    given = {"bos_token": bos_token, "eos_token": eos_token, "add_generation_prompt": True}
    try:
        return render_here(template, list(messages), given)
    except TEMPLATE_ERRORS as error:
        raise unusable(str(error)) from error


@lru_cache(maxsize=16)
def _growth_of(template: str) -> int | None:
    """How often a template can write all data, for each message; None if that is not known."""
    try:
        tree = parse_template(template)
    except TemplateError:
        return None
    if not all(isinstance(node, _KNOWN) and _is_harmless(node) for node in _all_of(tree)):
        return None
    joined = prod(max(1, _names_in(each.node)) for each in tree.find_all(nodes.Assign))
    return _QUOTED * max(1, _names_in(tree)) * joined


def _is_harmless(node: nodes.Node) -> bool:
    """Whether a node's own time and text are in proportion to what it is given."""
    if isinstance(node, nodes.For):
        return node.iter == _MESSAGES and not node.recursive and next(node.find_all(nodes.For), None) is None
    if isinstance(node, nodes.Mod):  # of a text it would be a format, which may ask for any width
        return isinstance(node.left, nodes.Getattr) and node.left.node == nodes.Name("loop", "load")
    if isinstance(node, nodes.Call):
        return node.node == nodes.Name("raise_exception", "load")
    if isinstance(node, nodes.Filter):
        return node.name in _FILTERS and not (node.args or node.kwargs)
    if isinstance(node, nodes.Test):
        return node.name in _TESTS
    if isinstance(node, nodes.Name):  # the two keep their meaning
        return node.ctx == "load" or node.name not in {"messages", "loop"}
    return not isinstance(node, nodes.Assign) or isinstance(node.target, nodes.Name)


def _all_of(node: nodes.Node) -> list[nodes.Node]:
    return [node, *node.find_all(nodes.Node)]


def _names_in(node: nodes.Node) -> int:
    return sum(isinstance(each, nodes.Name) for each in _all_of(node))
