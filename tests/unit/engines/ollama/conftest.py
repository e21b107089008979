"""A real server, and tiny models that have not been given to it yet."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.servers import ollama_server as real
from tests.unit.engines.conftest import GetModel

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.server import OllamaServer
from so8t_engines.protocol import ModelFile, Options, Recipe
from so8t_evaluator.scoring import CHOICES, GRAMMAR

TEMPLATE = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
RECIPE = Recipe(TEMPLATE, "Decide.", ("<|im_end|>", "<|endoftext|>"), {"temperature": 0.0, "num_ctx": 512})

FREE = Options(max_tokens=10, seed=7, stop=("<|im_end|>",))
BOUND = Options(max_tokens=32, seed=7, grammar=GRAMMAR, choices=CHOICES)
ONE = Options(max_tokens=1, seed=7)
SMOLLM2 = "test-smollm2:q4_1"

NewModel = Callable[..., ModelFile]


@pytest.fixture
def server(ollama_server: real.OllamaServer) -> OllamaServer:
    """Our side of the connection."""
    return OllamaServer(ollama_server.address, retry_s=30)


@pytest.fixture
def engine(server: OllamaServer) -> OllamaEngine:
    """The engine with one thread and a context larger than the models were made for."""
    return OllamaEngine(server, num_ctx=1024, threads=1)


@pytest.fixture
def new_model(tiny: GetModel) -> NewModel:
    """A tiny model at a quantization, under a name that the server has not seen."""

    def make(quantization: str = "q8_0", recipe: Recipe = RECIPE) -> ModelFile:
        return replace(tiny(quantization), name=f"test-{uuid.uuid4().hex[:8]}:{quantization}", recipe=recipe)

    return make
