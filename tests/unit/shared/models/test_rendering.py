"""Foreign chat templates are programs: whatever they do, rendering ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.processes import exit_code, start, until

from so8t_shared.errors import InputError, Interrupted
from so8t_shared.interruption import StopSignal
from so8t_shared.models.rendering import Limits, Renderer

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
SECOND = Limits(cpu_s=1, memory_bytes=1 << 30, letters=1 << 20)
MESSAGES = [{"role": "user", "content": "x"}]


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    """A renderer that gives a template a second."""
    renderer = Renderer(SECOND)
    yield renderer
    renderer.close()


def _render(renderer: Renderer, template: str) -> str:
    return renderer.render(template, MESSAGES, {"bos_token": "", "eos_token": "", "add_generation_prompt": True})


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not show a process's environment")
def test_a_template_is_near_no_secret(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever takes over the child finds no credential in its environment."""
    secrets = {"SO8T_AUDIT_KEY": "5e" * 32, "MINIO_SECRET_KEY": "s3cr3t-s3cr3t", "SO8T_NOTIFY": "json://u:pw@host"}
    for name, value in {**secrets, "SO8T_SECRETS": "/run/secrets"}.items():
        monkeypatch.setenv(name, value)
    _render(renderer, "x")
    environ = Path(f"/proc/{renderer.pid}/environ").read_text()
    assert "SO8T_SECRETS=/run/secrets" in environ
    assert [name for name in secrets if f"{name}=" in environ] == []


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 30000000000 }}",
        "{{ '%9999999999d' % 1 }}",
        "{% set n = namespace(t='x') %}{% for i in range(99) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }}",
        "{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{% for i in range(9) %}" * 200 + "{% endfor %}" * 200,
        "{{ 'x' * 2000000 }}",
    ],
    ids=["times", "width", "doubling", "output", "recursion", "parentheses", "nesting", "long"],
)
def test_it_ends(renderer: Renderer, template: str) -> None:
    """A template that makes gigabytes, recurses or nests is refused, and the next one is rendered."""
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        _render(renderer, template)
    assert time.monotonic() - began < 20
    assert caught.value.where == "chat_template in tokenizer_config.json"
    assert len(str(caught.value)) < 1000
    assert _render(renderer, "{{ messages[0].content }}") == "x"


def test_a_loop_ends(renderer: Renderer, said: Said) -> None:
    """A loop ends after its time; the message says so, and the next template is rendered."""
    with said.raised(InputError, where="chat_template in tokenizer_config.json"):
        _render(renderer, LOOP)
    with said.raised(InputError, where="chat_template in tokenizer_config.json"):
        _render(renderer, "{{ 'x' * 2000000 }}")
    assert _render(renderer, "{{ messages[0].content }}") == "x"


def _conversations(count: int) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"x{number}"}] for number in range(count)]


GIVEN = {"bos_token": "", "eos_token": "", "add_generation_prompt": True}


def test_conversations_share_an_exchange(renderer: Renderer) -> None:
    """They come back in order; none need no child."""
    template = "<{{ messages[0].content }}>"
    assert renderer.render_all(template, _conversations(300), GIVEN) == [f"<x{number}>" for number in range(300)]
    assert renderer.render_all(template, [], GIVEN) == []


def test_one_conversation_that_fails_ends_the_exchange(renderer: Renderer, said: Said) -> None:
    """With the template's own words, and the next exchange gets its own answers."""
    picky = "{% if messages[0].content == 'x7' %}{{ raise_exception('no sevens') }}{% endif %}{{ messages[0].content }}"
    with said.raised(InputError, where="chat_template in tokenizer_config.json"):
        renderer.render_all(picky, _conversations(20), GIVEN)
    assert renderer.render_all(picky, _conversations(5), GIVEN) == [f"x{number}" for number in range(5)]


def test_each_conversation_has_its_own_time(renderer: Renderer, said: Said) -> None:
    """Many that take a while are rendered; one that loops ends the child, after the same time as alone."""
    slow = "{% for a in range(10) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ messages[0].content }}"
    assert len(renderer.render_all(slow, _conversations(80), GIVEN)) == 80
    looping = "{% if messages[0].content == 'x3' %}" + LOOP + "{% endif %}{{ messages[0].content }}"
    with said.raised(InputError, where="chat_template in tokenizer_config.json"):
        renderer.render_all(looping, _conversations(9), GIVEN)
    assert renderer.render_all("a", _conversations(2), GIVEN) == ["a", "a"]


def test_a_killed_child_is_replaced(renderer: Renderer) -> None:
    """The next rendering starts a new child."""
    assert _render(renderer, "a") == "a"
    assert renderer.pid is not None
    os.kill(renderer.pid, signal.SIGKILL)
    renderer.wait()
    assert _render(renderer, "b") == "b"


def test_each_process_has_its_own_child(renderer: Renderer) -> None:
    """A forked process and its parent do not read each other's answers."""
    assert _render(renderer, "a") == "a"

    def work() -> None:
        own = all(_render(renderer, f"child {i}") == f"child {i}" for i in range(50))
        os._exit(42 if own else 1)

    process = start(work)
    assert [_render(renderer, f"parent {i}") for i in range(50)] == [f"parent {i}" for i in range(50)]
    assert exit_code(process) == 42


def test_threads_share_it(renderer: Renderer) -> None:
    """Each thread gets the answer to its own question."""
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda i: _render(renderer, f"t{i}"), range(200))) == [f"t{i}" for i in range(200)]


def test_interrupts_reach_the_parent_alone(renderer: Renderer) -> None:
    """Ctrl-C, which a terminal sends to the whole group, does not make the template look broken."""
    assert _render(renderer, "a") == "a"
    pid = renderer.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    assert _render(renderer, "b") == "b"
    assert renderer.pid == pid


@pytest.mark.parametrize("before", [False, True], ids=["during", "before"])
def test_a_signal_ends_a_loop(tmp_path: Path, before: bool) -> None:
    """SIGTERM ends a looping template at once, and the process is interrupted: its template is not called wrong."""
    note = tmp_path / "ready"

    def work() -> None:
        stop, own = StopSignal(), Renderer(Limits(cpu_s=600))
        stop.install()
        _render(own, "a")
        note.touch()
        if before:
            stop.wait(600)
        try:
            _render(own, LOOP)
        except Interrupted as error:
            os._exit(error.exit_code)

    process = start(work)
    until(note.is_file, "the child")
    time.sleep(0.0 if before else 0.3)
    assert process.pid is not None
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    assert exit_code(process) == 75
    assert time.monotonic() - began < 20


def test_a_loop_ends_with_its_parent(tmp_path: Path) -> None:
    """After SIGKILL of the parent no child is left to spin."""
    note = tmp_path / "pid"

    def work() -> None:
        own = Renderer(Limits(cpu_s=600, memory_bytes=1 << 30, letters=100))
        _render(own, "a")
        note.with_suffix(".part").write_text(str(own.pid))
        note.with_suffix(".part").rename(note)
        _render(own, LOOP)

    process = start(work)
    until(note.is_file, "the child")
    child = int(note.read_text())
    time.sleep(0.2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    until(lambda: not _lives(child), "the end of the child")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_nothing_is_left_after_closing() -> None:
    """Closing ends the child, and again is harmless."""
    renderer = Renderer(SECOND)
    _render(renderer, "a")
    pid = renderer.pid
    assert pid is not None
    renderer.close()
    renderer.close()
    assert not _lives(pid)
    assert [t for t in threading.enumerate() if t.name == "rendering"] == []
