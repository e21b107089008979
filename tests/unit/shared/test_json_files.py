"""JSON lines over pipes."""

from __future__ import annotations

import os

import pytest

from so8t_evaluator.engine.channel import Channel


def _pair() -> tuple[Channel, Channel]:
    one, other = os.pipe(), os.pipe()
    return Channel.on(one[0], other[1]), Channel.on(other[0], one[1])


def test_any_text_survives() -> None:
    """Line breaks, quotes, half surrogates and null characters arrive as they were sent."""
    ours, theirs = _pair()
    message = {"text": 'a\nb\r\n\u2028 "q" \x00 日本 \ud800'}
    ours.send(message)
    assert theirs.receive() == message
    ours.close()
    theirs.close()


def test_other_side_gone() -> None:
    """The end of the other side is None for a reader and BrokenPipeError for a writer."""
    ours, theirs = _pair()
    theirs.close()
    assert ours.receive() is None
    with pytest.raises(BrokenPipeError):
        ours.send({})
    ours.close()


def test_half_a_message_is_the_end() -> None:
    """A message that was cut off by the sender's death is not read as one."""
    reading, writing = os.pipe()
    other = os.pipe()
    channel = Channel.on(reading, other[1])
    os.write(writing, b'{"ok": 1')
    os.close(writing)
    assert channel.receive() is None
    channel.close()
    os.close(other[0])
