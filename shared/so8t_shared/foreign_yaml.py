"""The only place that parses YAML: every fault is an UnparsableError with its place.

PyYAML's constructors raise ValueError, KeyError, AttributeError and others for a value such as `2020-99-99`.
"""

from __future__ import annotations

from typing import Any

import yaml

from so8t_shared.foreign import UnparsableError, check_shape

_MOST_VALUES = 1_000_000
"""More than any configuration has; nine lines of aliases can stand for a billion."""


def parse_yaml(text: str) -> Any:
    """The value of a YAML text with unique keys.

    Raises:
        UnparsableError: it is not valid YAML, has a value that is none, repeats a key, or is too deep or too large.
    """
    try:
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = str(getattr(error, "problem", None) or error)
        raise UnparsableError(why, *((mark.line + 1, mark.column + 1) if mark else ())) from error
    except RecursionError as error:
        raise UnparsableError("its values are nested too deeply") from error
    check_shape(value, _MOST_VALUES)
    return value


class _StrictLoader(yaml.SafeLoader):
    """A loader that rejects duplicate keys, which YAML would silently drop, and marks the place of a wrong value."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            problem = f"this is no value of its kind ({error})"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            problem = "this is no text: it holds half of a surrogate pair"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"duplicate key {key.value!r}", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)
