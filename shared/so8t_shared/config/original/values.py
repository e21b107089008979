"""How the value of an original key is translated where it differs from the present key's."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import Any, get_args

from so8t_shared.config.original.row import NoEffectError, OriginalFile, Translate
from so8t_shared.config.training import Training

_ALL_LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
_NEVER_CLIPS = 1e9


def positive(why: str) -> Translate:
    """The value; not positive, it has no effect, as `why` says."""

    def value(file: OriginalFile, key: str) -> Any:
        given = file.values[key]
        if _number(given) <= 0:
            raise NoEffectError(why)
        return given

    return value


def if_true(result: Any, why: str) -> Translate:
    """`result` where the value is true; else it has no effect, as `why` says."""

    def value(file: OriginalFile, key: str) -> Any:
        if not _flag(file.values[key]):
            raise NoEffectError(why)
        return result

    return value


def negated(file: OriginalFile, key: str) -> bool:
    """The opposite of true or false."""
    return not _flag(file.values[key])


def paths(file: OriginalFile, key: str) -> list[str]:
    """A path or a list of them, as a list."""
    value = file.values[key]
    return [value] if isinstance(value, str) else value


def newest_rows(file: OriginalFile, key: str) -> list[str]:
    """The newest file of data.train_data_dir that matches data.train_data_pattern, or else the fallback or the folder.

    The original's scripts choose it so, by its time.
    """
    if file.get("data.train_data"):
        raise NoEffectError("data.train_data is given")
    folder, pattern = str(file.get("data.train_data_dir", "")), str(file.get("data.train_data_pattern", ""))
    fallback = file.get("data.fallback_train_data")
    if pattern and folder:
        found = [path for path in file.here(folder).glob(pattern) if path.is_file()]
        if found:
            newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
            return [_joined(folder, newest.relative_to(file.here(folder)))]
    if fallback and (not folder or not file.here(folder).exists()) and file.here(str(fallback)).exists():
        return [str(fallback)]
    if not folder and not fallback:
        raise NoEffectError("data.train_data_dir names no folder")
    if key == "data.fallback_train_data" and folder:
        raise NoEffectError("data.train_data_dir is there, or neither is on this host")
    return [folder or str(fallback)]


def _joined(folder: str, below: Path) -> str:
    return "/".join([folder.rstrip("/\\"), *below.parts])


def target_modules(file: OriginalFile, key: str) -> Any:
    """The layers' names; all seven of Llama are all there are, also where a model has some of them fused, as Phi-3."""
    value = file.values[key]
    if value == "all-linear" or (isinstance(value, list) and set(value) == _ALL_LINEAR):
        return None
    return value


def pet_lambdas(file: OriginalFile, key: str) -> list[Any]:
    """The weights of the three phases; all 0 if the penalty is off."""
    if not _flag(file.get("pet.enabled", True)):
        return [0.0, 0.0, 0.0]
    if key == "pet.enabled":
        raise NoEffectError("the penalty is on unless its lambdas are 0")
    phases = ("exploration", 0.01), ("transition", 0.05), ("stabilization", 0.1)
    return [file.get(f"pet.lambda_{phase}", default) for phase, default in phases]


def pet_boundaries(file: OriginalFile, _key: str) -> list[float]:
    """The ends of the first two phases, from the shares of all three."""
    shares = [_number(file.get(f"pet.{phase}_ratio", default)) for phase, default in _PHASE_SHARES]
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"the three phases' shares of the steps add up to {sum(shares):g}, not to 1")
    return [shares[0], round(shares[0] + shares[1], 9)]


_PHASE_SHARES = ("exploration", 0.2), ("transition", 0.4), ("stabilization", 0.4)


def warmup_ratio(file: OriginalFile, key: str) -> Any:
    """The share of steps; the schedule `constant` has no warm-up, and warmup_steps comes before warmup_ratio."""
    if str(file.get("training.lr_scheduler_type")) == "constant":
        return 0.0
    steps, ratio = file.get("training.warmup_steps", 0), file.get("training.warmup_ratio", 0)
    if 0 < _number(steps) < 1:
        ratio, steps = steps, 0
    if _number(steps) > 0:
        total = _number(file.get("training.max_steps", 0))
        if key == "training.warmup_ratio":
            raise NoEffectError("warmup_steps is given")
        if total <= 0:
            raise ValueError("the number of steps is not known yet; give warmup_ratio, the share of steps, instead")
        return min(0.99, _number(steps) / total)
    if key == "training.warmup_steps" and file.get("training.warmup_ratio") is not None:
        raise NoEffectError("warmup_ratio is given")
    return ratio


def scheduler(file: OriginalFile, key: str) -> Any:
    """The schedule's name; the warm-up of constant_with_warmup is a key of its own."""
    value = str(file.values[key]).lower()
    return "constant" if value == "constant_with_warmup" else value


def gradient_norm(file: OriginalFile, key: str) -> Any:
    """The largest norm; 0, which turns clipping off, is a norm that no step reaches."""
    return file.values[key] if _number(file.values[key]) > 0 else _NEVER_CLIPS


def device(file: OriginalFile, key: str) -> str:
    """The kind of device: cuda:0 is cuda, as only one is used."""
    return str(file.values[key]).partition(":")[0].lower()


def lower_name(file: OriginalFile, key: str) -> str:
    """The last part of a name or path, in lower case."""
    return PureWindowsPath(str(file.values[key])).name.lower()


_DTYPES = {
    "float16": "float16",
    "fp16": "float16",
    "half": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float32": "float32",
    "fp32": "float32",
    "auto": "auto",
}
_DTYPE_FLAGS = {
    "training.bf16": "bfloat16",
    "training.fp16": "float16",
    "quantization.use_bf16": "bfloat16",
    "quantization.use_fp16": "float16",
}
"""In the order in which they count; the training's own come before the type in which the checkpoint is loaded."""


def dtype(file: OriginalFile, key: str) -> str:
    """The type that the training computes in: a switch that is on, or else the checkpoint's."""
    if _flag(file.get("training.bf16", False)) and _flag(file.get("training.fp16", False)):
        raise ValueError("fp16 and bf16 are both true; set one of them to false")
    on = [name for name in _DTYPE_FLAGS if name in file.values and _flag(file.values[name])]
    named = [name for name in ("model.torch_dtype", "model.dtype") if file.get(name)]
    decides = [*on, *named][:1]
    if decides != [key]:
        raise NoEffectError(f"{decides[0]} decides" if decides else "training.dtype chooses by itself")
    value = _DTYPE_FLAGS.get(key) or _DTYPES.get(str(file.values[key]).removeprefix("torch.").lower())
    if value is None:
        raise ValueError(f"{file.values[key]!r} is not one of {', '.join(_DTYPES)}")
    if value not in get_args(Training.model_fields["dtype"].annotation):
        raise NoEffectError(f"{value} is not supported; training.dtype chooses by itself")
    return value


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"expected a number; found {value!r}") from None


def _flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError(f"expected true or false; found {value!r}")
    return found
