"""A model that an Ollama server had before: what the server says about it.

Plans and fingerprints ask this, so it needs only the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, ServerError
from so8t_shared.ollama_http import Missing, Refused, ask, not_ollama
from so8t_shared.tables.scorings import BY_NAME

_LOADING_S = 900.0
"""Longest silence while a server loads a model from a slow disk."""
_RENDERING = {"stream": False, "truncate": False, "options": {"num_ctx": 2048}, "keep_alive": "1m"}
"""A small context, as nothing is evaluated; long enough in memory for the next rendering."""
_FIRST_WITH_PROBABILITIES = (0, 12, 11)


@dataclass(frozen=True)
class ServedModel:
    """A model in a server's list."""

    name: str
    address: str
    digest: str
    """Of its manifest: weights, template, system text and parameters."""
    size_bytes: int

    @property
    def where(self) -> str:
        """Place for messages."""
        return f"model_b.ollama = {self.name} at {self.address}"

    def shown(self, *, whole: bool = False) -> dict[str, Any]:
        """What the server says about it; with its vocabulary if `whole`.

        Raises:
            InputError: the model is gone.
            ServerError: the server does not answer, or refuses.
        """
        try:
            return ask(self.address, "/api/show", {"model": self.name, "verbose": whole})
        except Missing as error:
            raise missing(self.name, self.address) from error

    def rendered(self, messages: Sequence[dict[str, str]]) -> str:
        """The prompt that the server makes of messages by the model's own template; it loads the model.

        Raises:
            InputError: the server cannot render them.
            ServerError: the server does not answer.
        """
        body = {"model": self.name, "messages": list(messages), "_debug_render_only": True, **_RENDERING}
        try:
            answer = ask(self.address, "/api/chat", body, _LOADING_S)
            return str(answer["_debug_info"]["rendered_template"])
        except Missing as error:
            raise missing(self.name, self.address) from error
        except Refused as error:
            raise InputError(
                error.what, where=self.where, remedy="test its GGUF file instead (model_b.gguf)"
            ) from error
        except (KeyError, TypeError) as error:
            raise InputError(
                "This Ollama does not show the prompts that it renders.", where=self.where, remedy="update it"
            ) from error

    def unload(self) -> None:
        """Have the server free its memory; one that is away has done so."""
        with suppress(Missing, ServerError):
            ask(self.address, "/api/generate", {"model": self.name, "keep_alive": 0, "stream": False})


def find_served(name: str, address: str) -> ServedModel:
    """Return the model of this name, which has a tag, in a server's list.

    Raises:
        InputError: it is not there.
        ServerError: the server does not answer.
    """
    try:
        listed = ask(address, "/api/tags").get("models") or []
        found = [one for one in listed if str(one["name"]).lower() == name.lower()]
        if not found:
            raise missing(name, address)
        return ServedModel(str(found[0]["name"]), address, str(found[0]["digest"]), int(found[0]["size"]))
    except (Missing, AttributeError, KeyError, TypeError, ValueError) as error:
        raise not_ollama(address) from error


def check_served(config: Config) -> ServedModel:
    """Check that the configured model B is on every server, the same, and can be asked as the configuration says.

    Raises:
        InputError: it is not.
        ServerError: a server does not answer.
    """
    name, [first, *others] = str(config.served_b), dict.fromkeys([config.ollama.host, *config.ollama.hosts])
    found = find_served(name, first)
    for address in others:
        if find_served(name, address).digest != found.digest:
            raise InputError(
                "The Ollama servers have different models of this name.",
                where=f"{found.where} and {address}",
                remedy=f"run 'ollama pull {name}' on each of ollama.hosts",
            )
    shown = found.shown()
    faults = [*_unusable(shown), *_of_another(shown, config), *_too_old(first, config)]
    if faults:
        raise InputError(
            f"This model cannot be tested: {'; '.join(faults)}.",
            where=found.where,
            remedy="name another model, or change the configuration accordingly",
        )
    return found


def quantization_of(shown: dict[str, Any]) -> str:
    """The model's quantization, in lower case; empty if the server does not say."""
    details = shown.get("details")
    return str(details.get("quantization_level") or "").lower() if isinstance(details, dict) else ""


def missing(name: str, address: str) -> InputError:
    """The error for a model that a server does not have."""
    return InputError(
        "The Ollama server does not have this model.",
        where=f"model_b.ollama = {name} at {address}",
        remedy=f"run 'ollama pull {name}' there, or correct the name",
    )


def _unusable(shown: dict[str, Any]) -> list[str]:
    if shown.get("remote_host"):
        return ["it runs in the cloud, where it can change unnoticed"]
    capabilities = shown.get("capabilities") or ["completion"]
    return [] if "completion" in capabilities else ["it writes no text"]


def _of_another(shown: dict[str, Any], config: Config) -> list[str]:
    wanted, found = config.gguf.primary_quantization, quantization_of(shown)
    if found == wanted:
        return []
    return [
        f"its quantization is {found or 'unknown'}, but gguf.quantizations is {wanted}; the same must hold for A and B"
    ]


def _too_old(address: str, config: Config) -> list[str]:
    """Say which scorings a server without token probabilities cannot do."""
    wanted = [name for name in config.ab_test.scoring if not BY_NAME[name].writes_freely]
    if not wanted:
        return []
    version = str(ask(address, "/api/version").get("version"))
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    known = tuple(int(number) for number in numbers.groups()) if numbers else (0, 0, 0)
    if not any(known) or known >= _FIRST_WITH_PROBABILITIES:  # own builds are 0.0.0
        return []
    return [f"Ollama {version} shows no token probabilities, which {' and '.join(wanted)} scoring needs (0.12.11 does)"]
