"""The header of a GGUF file in the form that `so8t-ab gguf` prints."""

from __future__ import annotations

import math
from collections import Counter

from so8t_shared.models.gguf_file import GgufHeader, Tensor, Value
from so8t_shared.results.gguf import GgufInfo, GgufTensor, MetadataValue, Single, TypeTotal

_OURS = "so8t."


def info_of(header: GgufHeader, *, tensors: bool) -> GgufInfo:
    """All about one file; `tensors` adds a line per tensor."""
    counts, sizes = Counter[str](), Counter[str]()
    for tensor in header.tensors.values():
        counts[tensor.type.name] += 1
        sizes[tensor.type.name] += tensor.size_bytes
    ours_first = sorted(header.metadata, key=lambda key: not key.startswith(_OURS))
    return GgufInfo(
        path=str(header.path),
        version=header.version,
        bytes=header.size_bytes,
        architecture=header.text("general.architecture"),
        file_type=header.file_type,
        parameters=header.parameters,
        metadata={key: shown_value(header.metadata[key]) for key in ours_first},
        types={name: TypeTotal(tensors=count, bytes=sizes[name]) for name, count in counts.most_common()},
        tensors=[shown_tensor(tensor) for tensor in header.tensors.values()] if tensors else None,
    )


def shown_value(value: Value) -> MetadataValue:
    """A value of the metadata."""
    plain = [_plain(item) for item in value.value] if value.count is not None else _plain(value.value)
    return MetadataValue(type=value.type, count=value.count, value=plain)


def shown_tensor(tensor: Tensor) -> GgufTensor:
    """A tensor without its weights."""
    return GgufTensor(name=tensor.name, type=tensor.type.name, shape=list(tensor.shape), bytes=tensor.size_bytes)


def _plain(value: Single) -> Single:
    """The value as JSON can hold it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
