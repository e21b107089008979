"""What `so8t-ab gguf` prints for people: one line per key and tensor, so that grep finds them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from so8t_shared.escapes import harmless, visible
from so8t_shared.formatting import plural, size
from so8t_shared.results.gguf import GgufDiff, GgufInfo, GgufTensor, MetadataValue, TensorDifference
from so8t_shared.results.verification import Verification, VerifiedFile

_LONGEST = 160
_UNKNOWN = "unknown"


def info_lines(info: GgufInfo, *, full: bool) -> Iterator[str]:
    """What one file holds; `full` shows texts whole."""
    yield f"{visible(info.path)}: GGUF version {info.version}, {size(info.bytes)}"
    yield (
        f"architecture {visible(info.architecture or _UNKNOWN)}, {info.parameters:,} parameters,"
        f" file type {info.file_type or _UNKNOWN}"
    )
    for name, total in info.types.items():
        yield f"  {name:<8} {total.tensors:>5} {plural(total.tensors, 'tensor', 'tensors')}, {size(total.bytes)}"
    yield ""
    for key, value in info.metadata.items():
        yield f"{visible(key)}: {_value(value, full=full)}"
    if info.tensors:
        yield ""
        yield from map(_tensor_line, info.tensors)


def diff_lines(found: GgufDiff) -> Iterator[str]:
    """What differs, and how much is the same."""
    for key in found.keys:
        yield f"{visible(key.key)}: {_side(key.a)} -> {_side(key.b)}"
        if key.a and key.a == key.b:
            yield "  the elements that are not shown differ"
    for tensor in found.tensors:
        yield f"{visible(tensor.name)}: {_tensor_difference(tensor)}"
    if found.equal:
        yield f"equal: {_counts(found.keys_equal, found.tensors_equal)}"
    else:
        yield f"differ: {_counts(len(found.keys), len(found.tensors))}"
        yield f"equal:  {_counts(found.keys_equal, found.tensors_equal)}"


def verification_lines(found: Verification) -> Iterator[str]:
    """One line per file, then what its tokenizer does wrong."""
    yield f"KL divergence from {visible(found.reference)} in nats, {found.positions} positions, {found.program}"
    for file in found.files:
        yield verified_line(file, lower_bound=found.lower_bound)
        yield from (f"  {fault}" for fault in file.faults)


def verified_line(file: VerifiedFile, *, lower_bound: bool) -> str:
    """What quantization cost one file."""
    kl = "the reference"
    if far := file.divergence:
        kl = (
            f"{'at least ' if lower_bound else ''}{far.mean:.3g} mean, {far.median:.3g} median,"
            f" {far.p99:.3g} 99th percentile, {far.changed_top:.1%} other top tokens"
        )
    guided = f", importance matrix {visible(file.imatrix)}" if file.imatrix else ""
    return f"{visible(file.file)}: {kl}; {size(file.size_bytes)}{guided}"


def _counts(keys: int, tensors: int) -> str:
    return f"{keys:,} {plural(keys, 'key', 'keys')}, {tensors:,} {plural(tensors, 'tensor', 'tensors')}"


def _side(value: MetadataValue | None) -> str:
    return "absent" if value is None else _value(value, full=False)


def _value(value: MetadataValue, *, full: bool) -> str:
    if isinstance(value.value, list):
        more = ", ..." if value.count is not None and value.count > len(value.value) else ""
        shown = ", ".join(_short(json.dumps(item, ensure_ascii=False), 40) for item in value.value)
        return f"{value.count:,} x {value.type} [{shown}{more}]"
    if isinstance(value.value, str):
        return harmless(value.value) if full else _short(visible(value.value), _LONGEST)
    return str(value.value).lower() if isinstance(value.value, bool) else str(value.value)


def _short(text: str, longest: int) -> str:
    text = visible(text)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def _tensor_line(tensor: GgufTensor) -> str:
    return f"{visible(tensor.name):<32} {tensor.type:<8} {_shape(tensor):<16} {size(tensor.bytes)}"


def _shape(tensor: GgufTensor) -> str:
    return " x ".join(map(str, tensor.shape))


def _tensor_difference(tensor: TensorDifference) -> str:
    a, b = tensor.a, tensor.b
    if a is None or b is None:
        present = a or b
        assert present
        return f"only in {'A' if a else 'B'} ({present.type}, {_shape(present)})"
    if a.shape != b.shape:
        return f"shape {_shape(a)} -> {_shape(b)}"
    largest = "" if tensor.largest_difference is None else f", at most {tensor.largest_difference:.3g} apart"
    if a.type != b.type:
        return f"type {a.type} -> {b.type}{largest}"
    what = "values" if tensor.blocks == math.prod(a.shape) else "blocks"
    return f"{tensor.blocks_differing:,} of {tensor.blocks:,} {a.type} {what} differ{largest}"
