"""A short sound on this machine, made of sine tones."""

from __future__ import annotations

import math
import os
import time
from array import array
from collections.abc import Generator, Sequence

import miniaudio

BACKEND_VARIABLE = "SO8T_SOUND_BACKEND"
"""Environment variable with the name of a miniaudio backend, such as pulseaudio; null plays to nowhere."""

Tones = Sequence[tuple[float, float]]
"""Frequency in Hz and length in s of each tone."""

_RATE = 44_100
_LOUDNESS = 0.25
_FADE_S = 0.01
"""Without it, each tone would begin and end with a click."""
_PATIENCE_S = 5.0
"""How much longer than its tones a sound may take; a busy machine starts a device late."""


def samples_of(tones: Tones) -> array[int]:
    """The tones one after the other: 16-bit samples of one channel, at 44,100 per second."""
    samples = array("h")
    for frequency, length_s in tones:
        count = int(_RATE * length_s)
        for index in range(count):
            fade = min(1.0, index / (_RATE * _FADE_S), (count - index) / (_RATE * _FADE_S))
            samples.append(int(32767 * _LOUDNESS * fade * math.sin(2 * math.pi * frequency * index / _RATE)))
    return samples


def play(tones: Tones) -> tuple[str, int]:
    """Play the tones to their end; return the name of the backend and the number of samples it took.

    Raises:
        OSError: there is no sound device, or it stopped taking samples.
    """
    samples = samples_of(tones)
    source = _Source(samples)
    try:
        with miniaudio.PlaybackDevice(
            nchannels=1, sample_rate=_RATE, buffersize_msec=50, backends=_backends()
        ) as device:
            device.start(source.stream)
            until = time.monotonic() + len(samples) / _RATE + _PATIENCE_S
            while not source.ended and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(0.1)  # what the device has taken, it has not played yet
            name = str(device.backend)
    except miniaudio.MiniaudioError as error:
        raise OSError(f"no sound device works ({error.args[0] if error.args else error})") from error
    if not source.ended:
        raise OSError(f"the sound device took only {source.taken:,} of {len(samples):,} samples")
    return name, source.taken


class _Source:
    """Hands samples to the device as it asks for them."""

    def __init__(self, samples: array[int]) -> None:
        self.taken = 0
        self.ended = False
        self.stream = self._give(samples)
        next(self.stream)

    def _give(self, samples: array[int]) -> Generator[array[int], int, None]:
        wanted = yield array("h")
        while self.taken < len(samples):
            part = samples[self.taken : self.taken + wanted]
            self.taken += len(part)
            wanted = yield part
        self.ended = True


def _backends() -> list[miniaudio.Backend] | None:
    """The backend that the environment names, else all that work here.

    Raises:
        OSError: there is no backend of that name.
    """
    name = os.environ.get(BACKEND_VARIABLE, "")
    if not name:
        return None
    try:
        return [miniaudio.Backend[name.upper()]]
    except KeyError as error:
        known = ", ".join(backend.name.lower() for backend in miniaudio.Backend)
        raise OSError(f"{BACKEND_VARIABLE} = {name} is none of {known}") from error
