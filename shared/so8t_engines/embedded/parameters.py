"""llama.cpp's settings for one model in one slot; `so8t_engines.embedded.engine` explains them."""

from __future__ import annotations

from typing import Any

import xllamacpp

_ALL_LAYERS = 999
"""More than any model has."""


def parameters(path: str, context: int, threads: int, batch: int, key: str, *, gpu: bool) -> Any:
    """Return xllamacpp's parameters; `key` opens the server's port."""
    found = xllamacpp.CommonParams()
    found.model.path = path
    found.n_ctx = context
    found.n_gpu_layers = _ALL_LAYERS if gpu else 0
    found.n_parallel = 1
    found.n_ubatch = batch
    found.cache_ram_mib = 0
    found.n_ctx_checkpoints = 0
    found.swa_full = True
    found.ctx_shift = False
    found.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    found.fit_params = False
    found.warmup = False
    found.cpuparams.n_threads = threads
    found.cpuparams_batch.n_threads = threads
    found.api_keys = [key]  # it opens a port on the loopback interface, which no other process may use
    found.verbosity = 1  # errors only: prompts and answers are never logged
    return found
