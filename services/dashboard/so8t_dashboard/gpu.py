"""GPUs of this host, by NVIDIA's management library; none where it is not installed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU as of now."""

    name: str
    used_bytes: int
    total_bytes: int
    busy_percent: int | None
    """None if the driver does not tell."""
    temperature: int | None
    """Degrees Celsius."""


def gpus() -> list[Gpu]:
    """All GPUs that this process may see."""
    import pynvml  # only where the dashboard runs

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [_gpu(handle) for handle in handles]
    except pynvml.NVMLError:
        return []
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _gpu(handle: object) -> Gpu:
    import pynvml

    busy = temperature = None
    with suppress(pynvml.NVMLError):
        busy = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with suppress(pynvml.NVMLError):
        temperature = int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    text = name.decode() if isinstance(name, bytes) else str(name)
    return Gpu(text, int(memory.used), int(memory.total), busy, temperature)
