"""The engine as the configuration describes it."""

from __future__ import annotations

from tests.messages import Said
from tests.servers import ollama_server as real

from so8t_engines.ollama.opening import check, open_ollama
from so8t_shared.config.model import Config


def _with_hosts(config: Config, *hosts: str) -> Config:
    return config.model_copy(update={"ollama": config.ollama.model_copy(update={"host": hosts[0], "hosts": hosts[1:]})})


def test_each_silent_server_is_named(config: Config, ollama_server: real.OllamaServer, said: Said) -> None:
    """With the key under which it stands; one that answers, or stands there twice, is no note."""
    assert check(_with_hosts(config, ollama_server.address)) == []
    assert check(_with_hosts(config, ollama_server.address, ollama_server.address)) == []
    first, second = check(_with_hosts(config, "http://127.0.0.1:9", ollama_server.address, "http://127.0.0.1:19"))
    said(f"{first}\n{second}")


def test_hosts_are_named(config: Config) -> None:
    """Stored answers belong to the machines of all servers; one machine with two servers is one."""
    one = open_ollama(_with_hosts(config, "http://gpu-1.example.org:11434"))
    both = _with_hosts(config, "http://gpu-1.example.org:11434", "http://gpu-2.example.org:1")
    twice = _with_hosts(config, "http://gpu-1.example.org:11434", "http://gpu-1.example.org:11435")
    assert one.host == "gpu-1.example.org" == open_ollama(twice).host
    assert open_ollama(both).host == "gpu-1.example.org, gpu-2.example.org"
