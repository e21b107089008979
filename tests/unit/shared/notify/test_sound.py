"""Tones, and a real device that plays nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from so8t_shared.notify.sound import play, samples_of
from so8t_shared.tables.alerts import ROWS


def test_every_alert_has_a_sound_of_its_own() -> None:
    """Short, not silent, not clipped; no two alike."""
    tones = [each.tones for each in ROWS]
    assert len(set(tones)) == len(tones)
    for each in ROWS:
        samples = np.array(samples_of(each.tones))
        assert 0.1 <= len(samples) / 44_100 <= 1.0
        assert 5_000 < abs(samples).max() < 20_000


def test_a_tone_has_its_frequency() -> None:
    """The strongest frequency of each tone is the one that is asked for, and it begins and ends in silence."""
    samples = np.array(samples_of([(440.0, 0.5), (880.0, 0.5)]))
    for half, frequency in ((samples[:22_050], 440.0), (samples[22_050:], 880.0)):
        spectrum = abs(np.fft.rfft(half * np.hanning(len(half))))
        assert np.fft.rfftfreq(len(half), 1 / 44_100)[spectrum.argmax()] == pytest.approx(frequency, abs=2)
        assert abs(half[:5]).max() < 100
        assert abs(half[-5:]).max() < 200


def test_played_to_a_null_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device takes every sample."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "null")
    assert play([(440.0, 0.2)]) == ("Null", 8_820)


def test_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without sound is an OSError, not a crash: here a backend of another system."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "wasapi")
    with pytest.raises(OSError, match="sound device"):
        play([(440.0, 0.1)])
