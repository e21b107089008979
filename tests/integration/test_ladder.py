"""A correct chain loses nothing; a broken hand-over is named, whichever it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.servers.ollama_server import OllamaServer
from tests.tiny_ladder import (
    END,
    IN_OLLAMA,
    STEPS,
    TinyLadder,
    build,
    convert,
    make_ending,
    make_plain,
    merged_wrongly,
    rewritten,
)
from tests.unit.evaluator.material import make_chat

from so8t_evaluator.importing import modelfile, recipe
from so8t_shared.models.chat import read_chat
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import read_header
from so8t_shared.results.ladder import Handover, Ladder

NO_END = {"tokenizer.ggml.eos_token_id": 0}
BEGINS = {"tokenizer.ggml.add_bos_token": True}
NEVER_ENDS = "the end of a turn no longer ends an answer"


@pytest.fixture(scope="session")
def correct(tmp_path_factory: pytest.TempPathFactory) -> TinyLadder:
    """A model with a head of its own, measured in all its forms; read only."""
    return build(tmp_path_factory.mktemp("ladder") / "correct")


@pytest.fixture(scope="session")
def ending(tmp_path_factory: pytest.TempPathFactory) -> TinyLadder:
    """A model that ends its answers, likewise; read only."""
    return build(tmp_path_factory.mktemp("ladder") / "ending", make_ending)


@pytest.fixture
def server(ollama_server: OllamaServer) -> OllamaServer:
    """The shared server."""
    return ollama_server


@pytest.fixture
def broken(correct: TinyLadder, tmp_path: Path) -> TinyLadder:
    """The same rungs, of which one is measured again from a broken form."""
    return correct.copy(tmp_path / "broken")


def test_a_correct_chain_loses_nothing(correct: TinyLadder) -> None:
    """No rung of a correct chain is named, and every difference is explained."""
    ladder = correct.compared()
    assert (ladder.lost_at, [one.beyond for one in ladder.handovers]) == (None, [[], [], [], []])
    assert all(one.explained for one in ladder.handovers)
    assert all(one.difference.kl_mean is not None for one in ladder.handovers)


def test_another_chat_template_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """A file with another template than the checkpoint's renders other prompts, which are shown."""
    template = "{% for m in messages %}<|im_start|>{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}"
    changed = rewritten(correct.file("f16"), tmp_path / "x.gguf", {"tokenizer.chat_template": template})
    broken.measure_file("f16", changed)
    one = _lost_at(broken.compared(), "f16")
    assert one.other_prompts == one.rows
    assert one.example
    assert one.example.before_text != one.example.after_text
    assert one.example.before_ids != one.example.after_ids


def test_a_dropped_gate_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """A checkpoint merged without one of the gates differs more than merging explains."""
    folder = merged_wrongly(correct, tmp_path / "merged", lambda gates: dict(list(gates.items())[1:]))
    broken.measure_merged(folder)
    assert _lost_at(broken.compared(), "merged").loss in {"difference", "both"}


def test_gates_folded_from_the_wrong_side_are_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """Folding R instead of its transpose is what the opposite gates do."""
    folder = merged_wrongly(correct, tmp_path / "merged", lambda gates: {name: -each for name, each in gates.items()})
    broken.measure_merged(folder)
    _lost_at(broken.compared(), "merged")


def test_a_wrong_rope_scale_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """A file with another base of the rotary embedding computes something else from the same tokens."""
    changed = rewritten(correct.file("f16"), tmp_path / "x.gguf", {"llama.rope.freq_base": 500000.0})
    broken.measure_file("f16", changed)
    one = _lost_at(broken.compared(), "f16")
    assert (one.other_prompts, one.other_tokens) == (0, 0)


def test_a_file_of_another_type_is_named(correct: TinyLadder, broken: TinyLadder) -> None:
    """Q4_K_M under the name of Q8_0 says so itself, and differs more than 8 bits explain."""
    broken.measure_file("q8_0", correct.file("q4_k_m"))
    one = _lost_at(broken.compared(), "q8_0")
    assert len(one.beyond) > 1


def test_a_file_of_other_weights_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """The right type and tokenizer, but another model's weights."""
    other = make_plain(tmp_path / "other", seed=7)
    files = convert(other, tmp_path / "gguf", ("q4_k_m",))
    broken.measure_file("q4_k_m", files["q4_k_m"])
    one = _lost_at(broken.compared(), "q4_k_m")
    assert (one.other_prompts, one.other_tokens) == (0, 0)


def test_a_doubled_beginning_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """A file that adds the beginning that its template writes, too."""
    changed = rewritten(correct.file("q8_0"), tmp_path / "x.gguf", BEGINS)
    broken.measure_file("q8_0", changed)
    one = _lost_at(broken.compared(), "q8_0")
    assert (one.other_prompts, one.other_tokens) == (0, one.rows)
    assert one.example
    assert len(one.example.after_ids) >= len(one.example.before_ids)


def test_a_lost_end_of_turn_in_the_template_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """A template that no longer ends turns."""
    template = read_chat(correct.merged).template
    assert template
    changed = rewritten(
        correct.file("f16"), tmp_path / "x.gguf", {"tokenizer.chat_template": template.replace(END, "")}
    )
    broken.measure_file("f16", changed)
    _lost_at(broken.compared(), "f16")


@pytest.mark.parametrize("rung", ["f16", "q8_0"])
def test_a_file_that_no_longer_ends_answers_is_named(
    correct: TinyLadder, broken: TinyLadder, tmp_path: Path, rung: str
) -> None:
    """A file that names another token as its end: the same probabilities, but answers go on."""
    broken.measure_file(rung, rewritten(correct.file(rung), tmp_path / "x.gguf", NO_END))
    one = _lost_at(broken.compared(), rung)
    assert (one.beyond, one.difference.flipped) == ([NEVER_ENDS], 0)


def test_a_head_from_the_wrong_tensor_is_named(correct: TinyLadder, broken: TinyLadder, tmp_path: Path) -> None:
    """Without its own head, llama.cpp takes the embeddings, as if they were tied."""
    changed = rewritten(correct.file("f16"), tmp_path / "x.gguf", without=["output.weight"])
    broken.measure_file("f16", changed)
    _lost_at(broken.compared(), "f16")


def test_the_same_file_in_ollama_loses_nothing(correct: TinyLadder, broken: TinyLadder, server: OllamaServer) -> None:
    """Ollama renders the prompts of the file's own template, and computes the same from them."""
    _serve(server, "ladder:correct", correct.file("q8_0"))
    broken.measure_served(correct.file("q8_0"), "ladder:correct", server)
    ladder = broken.compared([*STEPS, IN_OLLAMA])
    one = ladder.handovers[-1]
    assert (ladder.lost_at, one.beyond, one.other_prompts, one.other_tokens) == (None, [], 0, 0)
    assert one.kl_bound
    assert one.difference.kl_mean is not None
    assert ladder.rungs[-1].peak_memory_bytes


@pytest.mark.parametrize(
    ("old", "new"), [("<|im_start|>", "<|im_start|> "), ("{{ .Content }}", "{{ .Content }}\n"), (END, "")]
)
def test_another_template_in_ollama_is_named(
    correct: TinyLadder, broken: TinyLadder, server: OllamaServer, old: str, new: str
) -> None:
    """A Modelfile whose TEMPLATE renders something else than the checkpoint's."""
    _serve(server, "ladder:template", correct.file("q8_0"), old, new)
    broken.measure_served(correct.file("q8_0"), "ladder:template", server)
    one = _lost_at(broken.compared([*STEPS, IN_OLLAMA]), "ollama")
    assert one.other_prompts == one.rows
    assert one.example
    assert (one.example.before_ids, one.example.before_text == one.example.after_text) == ([], False)


def test_another_file_in_ollama_is_named(correct: TinyLadder, broken: TinyLadder, server: OllamaServer) -> None:
    """Q4_K_M under the name of Q8_0."""
    _serve(server, "ladder:other", correct.file("q4_k_m"))
    broken.measure_served(correct.file("q8_0"), "ladder:other", server)
    one = _lost_at(broken.compared([*STEPS, IN_OLLAMA]), "ollama")
    assert (one.other_prompts, len(one.beyond) > 1) == (0, True)


def test_a_file_that_no_longer_ends_answers_in_ollama_is_named(
    ending: TinyLadder, server: OllamaServer, tmp_path: Path
) -> None:
    """Neither the file in Ollama nor its Modelfile knows the end; with a stop in the Modelfile, answers end."""
    broken = ending.copy(tmp_path / "broken")
    changed = rewritten(ending.file("q8_0"), tmp_path / "x.gguf", NO_END)
    _serve(server, "ladder:stopped", changed)
    broken.measure_served(ending.file("q8_0"), "ladder:stopped", server)
    assert broken.compared([*STEPS, IN_OLLAMA]).lost_at is None
    _serve(server, "ladder:endless", changed, stop=())
    broken.measure_served(ending.file("q8_0"), "ladder:endless", server)
    assert _lost_at(broken.compared([*STEPS, IN_OLLAMA]), "ollama").beyond == [NEVER_ENDS]


def test_settings_in_ollama_that_keep_answers_going_are_named(
    ending: TinyLadder, server: OllamaServer, tmp_path: Path
) -> None:
    """The file is right, but a penalty on the prompt's tokens, the end of turn among them, keeps answers going."""
    broken = ending.copy(tmp_path / "broken")
    _serve(server, "ladder:penalty", ending.file("q8_0"), parameters={"repeat_penalty": 5.0, "num_ctx": 1024})
    broken.measure_served(ending.file("q8_0"), "ladder:penalty", server)
    [clause] = _lost_at(broken.compared([*STEPS, IN_OLLAMA]), "ollama").beyond
    assert clause.endswith("answers no longer end")


def test_a_doubled_beginning_in_ollama_is_named(
    correct: TinyLadder, broken: TinyLadder, server: OllamaServer, tmp_path: Path
) -> None:
    """The file in Ollama adds the beginning that its template writes, too."""
    _serve(server, "ladder:twice", rewritten(correct.file("q8_0"), tmp_path / "x.gguf", BEGINS))
    broken.measure_served(correct.file("q8_0"), "ladder:twice", server)
    one = _lost_at(broken.compared([*STEPS, IN_OLLAMA]), "ollama")
    assert (one.other_prompts, one.other_tokens) == (one.rows, one.rows)
    assert one.example
    assert one.example.after_text.startswith(2 * "<|im_start|>")


def _serve(server: OllamaServer, name: str, file: Path, old: str = "", new: str = "", **settings: Any) -> None:
    """Make a model on the server, with a change of its template or other settings."""
    chat = chat_of(read_header(file))
    made = recipe(
        file,
        make_chat(
            chat_template=chat.template,
            bos_token=chat.bos_token,
            eos_token=chat.eos_token,
            stop_tokens=chat.stop_tokens,
            context_length=1024,
        ),
        1024,
    )
    template = made.template.replace(old, new) if old else made.template
    server.create(name, modelfile("FILE", replace(made, template=template, **settings)).replace("./FILE", str(file)))


def _lost_at(ladder: Ladder, rung: str) -> Handover:
    assert ladder.lost_at == rung, ladder.sentence
    one = next(one for one in ladder.handovers if one.names_a_loss)
    assert one.after in ladder.sentence
    assert one.beyond
    return one
