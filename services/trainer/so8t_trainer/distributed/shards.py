"""Weights split over the processes by FSDP2: wrapping, and shards to and from whole tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

_RUN = "so8t_run"


def mesh_of(device: torch.device) -> DeviceMesh:
    """Return the mesh of all ranks, which must call this together."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device.type, (dist.get_world_size(),))


def shard(causal_lm: Any, mesh: DeviceMesh) -> Callable[..., Any]:
    """Split a model's weights in place, layer by layer, and move them to the mesh's device; needs no other rank.

    Return the function that calls another inside the model's forward pass, where embedding and head are whole.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    for layer in causal_lm.model.layers:
        fully_shard(layer, mesh=mesh)
    setattr(causal_lm, _RUN, lambda function, *values: function(*values))
    fully_shard(causal_lm, mesh=mesh)
    for module in causal_lm.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # sums, as the loop divides by the step's totals
            module.set_force_sum_reduction_for_comms(True)  # gloo has no product with the sum
    register_fsdp_forward_method(causal_lm, _RUN)
    run: Callable[..., Any] = getattr(causal_lm, _RUN)
    return run


def is_shard(tensor: Tensor) -> bool:
    """Whether this process holds only a part of the tensor."""
    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds, without a copy."""
    return tensor.detach().to_local() if isinstance(tensor, DTensor) else tensor.detach()


def whole(tensor: Tensor) -> Tensor:
    """Return the whole tensor; all processes must call this together."""
    return tensor.detach().full_tensor() if isinstance(tensor, DTensor) else tensor.detach()


def like(part: Tensor, tensor: Tensor) -> Tensor:
    """Return `part`, this process's part of a tensor that is split as `tensor` is, as such a tensor."""
    if not isinstance(tensor, DTensor):
        return part
    return DTensor.from_local(
        part.to(local(tensor).device),
        tensor.device_mesh,
        tensor.placements,
        run_check=False,
        shape=tensor.shape,
        stride=tensor.stride(),
    )


def part_of(value: Tensor, tensor: Tensor) -> Tensor:
    """Return this process's part of the whole `value` of a tensor that is split as `tensor` is."""
    if not isinstance(tensor, DTensor) or value.shape != tensor.shape:
        return value
    rank, size = tensor.device_mesh.get_local_rank(), tensor.device_mesh.size()
    parts = value.chunk(size, dim=0)
    return parts[rank] if rank < len(parts) else value[:0]
