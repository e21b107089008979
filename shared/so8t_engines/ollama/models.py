"""Models on an Ollama server: uploaded if missing or different, otherwise left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from so8t_engines.ollama.server import MissingError, OllamaServer
from so8t_engines.protocol import EngineError, ModelFile, Recipe, Served
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.foreign import parse_json
from so8t_shared.models.served import missing

_PIECE = 4 << 20
_TRIES = 3

OnUpload = Callable[[int, int], None]
"""Called with (bytes sent, total bytes) during an upload; may raise to stop."""


def _silent(sent: int, total: int) -> None:
    """Ignore upload progress."""


class OllamaModels:
    """The models of one server."""

    def __init__(self, server: OllamaServer, on_upload: OnUpload = _silent) -> None:
        self._server = server
        self._on_upload = on_upload

    def ensure(self, model: ModelFile, name: str = "") -> tuple[str, bool]:
        """Ensure that `name` (by default the model's own) is exactly this file with this recipe.

        A model that the server had before is only looked up.

        Returns:
            The digest under which the server lists it, and whether anything changed.

        Raises:
            InputError: the server cannot read the file, or no longer has a model that it had before.
            IntegrityError: the upload was corrupted, or another model has the name of one that the server had before.
            ServerError: the server cannot be reached.
        """
        if served := model.served:
            return self._server.patiently(lambda: self._same(model.name, served)), False
        name = name or model.name
        changed = not self._server.patiently(lambda: self._is(name, model))
        if changed:
            self._server.patiently(lambda: self._put(name, model))
        return self._server.patiently(lambda: self._listed(name)), changed

    def _is(self, name: str, model: ModelFile) -> bool:
        try:
            shown = self._server.post("/api/show", {"model": name})
        except MissingError:
            return False
        recipe = model.recipe
        same_text = (shown.get("template", ""), shown.get("system", "")) == (recipe.template, recipe.system)
        same_parameters = _parameters(shown.get("parameters", "")) == _as_pairs(recipe)
        return same_text and same_parameters and model.sha256 == _weights(shown.get("modelfile", ""))

    def _put(self, name: str, model: ModelFile) -> None:
        """Upload the file unless the server has it, then create the model; retry if the blob vanishes in between."""
        for _ in range(_TRIES):
            if not self._server.has_blob(model.sha256):
                self._server.send_blob(model.sha256, self._pieces(model.path))
            try:
                self._server.post("/api/create", _creation(name, model))
            except EngineError as error:
                if self._server.has_blob(model.sha256):
                    raise _unreadable(model, error) from error
            else:
                return
        raise EngineError(
            "Ollama deleted the model's file before the model was created from it.",
            where=f"{name} at {self._server.address}",
            remedy="start Ollama with OLLAMA_NOPRUNE=1, then run the same command again",
        )

    def _pieces(self, path: Path) -> Iterator[bytes]:
        total, sent = path.stat().st_size, 0
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
                sent += len(piece)
                self._on_upload(sent, total)

    def _same(self, name: str, served: Served) -> str:
        digest = self._find(name)
        if digest is None:
            raise missing(name, self._server.address)
        if digest != served.digest:
            raise replaced(name, self._server.address)
        return digest

    def _find(self, name: str) -> str | None:
        listed = self._server.get("/api/tags").get("models", [])
        return next((str(model["digest"]) for model in listed if model.get("name") == name), None)

    def _listed(self, name: str) -> str:
        digest = self._find(name)
        if digest is not None:
            return digest
        raise EngineError(
            "Ollama does not list a model that it just created.",
            where=f"{name} at {self._server.address}",
            remedy="run the same command again",
        )


def replaced(name: str, address: str) -> IntegrityError:
    """The error for a model that was pulled or created anew while it was tested."""
    return IntegrityError(
        "The model on the Ollama server was replaced by another during the run.",
        where=f"model_b.ollama = {name} at {address}",
        remedy="run the same command again, which tests the new one from its first row",
    )


def _creation(name: str, model: ModelFile) -> dict[str, Any]:
    recipe = model.recipe
    parameters = {**recipe.parameters, **({"stop": list(recipe.stop)} if recipe.stop else {})}
    return {
        "model": name,
        "files": {"model.gguf": f"sha256:{model.sha256}"},
        "template": recipe.template,
        "system": recipe.system,
        "parameters": parameters,
        "stream": False,
    }


def _weights(modelfile: str) -> str:
    """Return the digest of the file named in the FROM line of a Modelfile."""
    found = re.search(r"^FROM .*sha256[-:]([0-9a-f]{64})\s*$", modelfile, re.MULTILINE)
    return found[1] if found else ""


def _parameters(shown: str) -> set[tuple[str, str | float]]:
    """Parse the parameters as the server shows them: one per line, strings quoted as in Go."""
    pairs = set()
    for line in shown.splitlines():
        name, _, text = line.partition(" ")
        try:
            value = parse_json(text)
        except ValueError:
            value = text.strip()
        pairs.add((name, value if isinstance(value, str) else float(value)))
    return pairs


def _as_pairs(recipe: Recipe) -> set[tuple[str, str | float]]:
    stops: set[tuple[str, str | float]] = {("stop", text) for text in recipe.stop}
    return stops | {(name, float(value)) for name, value in recipe.parameters.items()}


def _unreadable(model: ModelFile, error: EngineError) -> InputError:
    return InputError(
        f"Ollama cannot import the model: {error.what.removeprefix('Ollama refused a request: ')}",
        where=f"{model.name}, {model.path.name}",
        remedy="convert the model again; if that does not help, this Ollama does not support its architecture",
    )
