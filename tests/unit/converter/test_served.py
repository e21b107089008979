"""A model that a real Ollama server had before: what is described is what the server does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers.ollama_server import OllamaServer
from tests.unit.converter.conftest import Converted
from tests.unit.shared.processes import until

from so8t_converter.served import describe, stops_of, write_vocabulary
from so8t_engines.tokens import pieces_of
from so8t_shared.errors import InputError
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.prompts import render_chat
from so8t_shared.models.served import find_served
from so8t_shared.results.conversion import SERVED_FILE, VOCABULARY_FILE, ChatInfo, ConversionResult, Served

CHATML = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
PHI = "{{ range .Messages }}<|{{ .Role }}|>\n{{ .Content }}<|end|>\n{{ end }}<|assistant|>\n"
PROMPT_ONLY = "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}<|im_end|>"
TEXTS = ["open the door, number 17", "昨日の会議の「議事録」を見せて", "<final>ALLOW</final>", " \n a\tb\n"]


def _create(server: OllamaServer, gguf: Path, name: str, template: str, more: str = "") -> str:
    return server.create(name, f'FROM {gguf}\nTEMPLATE """{template}"""\n{more}')


@pytest.mark.parametrize(("family", "template"), [("llama", CHATML), ("phi3", PHI)])
def test_it_is_asked_as_it_is(
    converted: Callable[[str], Converted], ollama_server: OllamaServer, family: str, template: str, tmp_path: Path
) -> None:
    """It has the server's prompts, tokens, markers and stops; the weights, which the server keeps, are only named."""
    gguf, name = converted(family).gguf("q8_0"), f"described-{family}:latest"
    digest = _create(ollama_server, gguf, name, template, 'SYSTEM "be kind"\nPARAMETER stop "zz z"\n')
    model, warned = find_served(name, ollama_server.address), list[str]()
    result = describe(model, tmp_path, warned.append)
    until(  # the server unloads after its reply
        lambda: name not in {loaded["name"] for loaded in ollama_server.get("/api/ps")["models"]}, "an unloaded model"
    )
    assert {path.name for path in tmp_path.iterdir()} == {SERVED_FILE, VOCABULARY_FILE, "chat.json", "conversion.json"}
    chat, own = ChatInfo.read(tmp_path / "chat.json"), ChatInfo.read(gguf.parent / "chat.json")
    assert (chat.markers, chat.bos_token, chat.eos_token) == (own.markers, own.bos_token, own.eos_token)
    assert (chat.context_length, chat.layers, chat.parameters) == (own.context_length, own.layers, own.parameters)
    assert chat.stop_tokens[0] == own.eos_token
    assert chat.stop_tokens[-1] == "zz z"
    assert "<|end|>" in chat.stop_tokens if family == "phi3" else "<|im_end|>" in chat.stop_tokens
    for text in TEXTS:
        messages = [{"role": "system", "content": "Decide."}, {"role": "user", "content": text}]
        assert render_chat(str(chat.chat_template), messages) == model.rendered(messages)
    assert pieces_of(tmp_path / VOCABULARY_FILE, TEXTS) == pieces_of(gguf, TEXTS)
    served = Served.read(tmp_path / SERVED_FILE)
    assert (served.digest, served.system, served.quantization) == (digest, "be kind", "q8_0")
    [file] = result.files
    [same] = [each for each in ConversionResult.read(gguf.parent / "conversion.json").files if "q8_0" in each.file]
    assert (file.file, file.sha256, file.tensor_types) == (name, digest, same.tensor_types)
    assert any("system text" in text for text in warned)
    again = tmp_path / "again"
    again.mkdir()
    describe(model, again)
    assert (again / VOCABULARY_FILE).read_bytes() == (tmp_path / VOCABULARY_FILE).read_bytes()
    assert (again / SERVED_FILE).read_bytes() == (tmp_path / SERVED_FILE).read_bytes()


def test_a_template_without_a_system_role(
    converted: Callable[[str], Converted], ollama_server: OllamaServer, tmp_path: Path
) -> None:
    """The test's instruction stands before the request, as with any template of that kind."""
    name = "without-system:latest"
    _create(ollama_server, converted("llama").gguf("q8_0"), name, PROMPT_ONLY)
    describe(find_served(name, ollama_server.address), tmp_path)
    said = [{"role": "system", "content": "Decide."}, {"role": "user", "content": "hi"}]
    prompt = render_chat(str(ChatInfo.read(tmp_path / "chat.json").chat_template), said)
    assert prompt == "<|im_start|>user\nDecide.\n\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_a_template_that_counts(
    converted: Callable[[str], Converted], ollama_server: OllamaServer, tmp_path: Path, said: Said
) -> None:
    """What does more than stand between texts is refused before any row is asked."""
    name = "counting:latest"
    _create(ollama_server, converted("llama").gguf("q8_0"), name, "{{ range .Messages }}{{ len .Content }}{{ end }}")
    with said.raised(InputError):
        describe(find_served(name, ollama_server.address), tmp_path)


def test_a_stop_while_it_is_described(
    converted: Callable[[str], Converted], ollama_server: OllamaServer, tmp_path: Path
) -> None:
    """What `check` raises ends it before the next request; no record of a conversion is left."""
    name = "stopped:latest"
    _create(ollama_server, converted("llama").gguf("q8_0"), name, CHATML)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe(find_served(name, ollama_server.address), tmp_path, check=stop)
    assert not (tmp_path / "conversion.json").exists()


@pytest.mark.parametrize("facts", [{}, {"tokenizer.ggml.tokens": []}, {"tokenizer.ggml.tokens": ["a"]}])
def test_a_server_without_the_vocabulary(facts: dict[str, object], tmp_path: Path) -> None:
    """Without tokens and their types nothing can be asked."""
    with pytest.raises(InputError):
        write_vocabulary(facts, tmp_path / "v.gguf", "there")


def test_a_vocabulary_with_scores(tmp_path: Path) -> None:
    """Numbers that JSON writes without a point are fractions in GGUF."""
    tokens = ["<unk>", "</s>", "▁a", "a"]
    facts = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0, 0, -1, -2],
        "tokenizer.ggml.token_type": [2, 3, 1, 1],
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.merges": [],
        "llama.block_count": 9,
    }
    write_vocabulary(facts, tmp_path / "v.gguf", "there")
    header = read_header(tmp_path / "v.gguf")
    assert header.metadata["tokenizer.ggml.scores"].type == "float32"
    assert header.metadata["llama.block_count"].value == 1
    assert (chat_of(header).eos_token, chat_of(header).markers) == ("</s>", ["</s>"])


def test_stops() -> None:
    """Texts as Go quotes them, or bare; other parameters are none."""
    shown = 'temperature                    0.8\nstop                           "<|x|>"\nstop   "a\\nb"\nstop bare'
    assert stops_of(shown) == ["<|x|>", "a\nb", "bare"]
    assert stops_of("") == []
