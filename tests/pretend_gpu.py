"""A GPU that is none: tensors that say "cuda" and are computed on the CPU.

Whoever mixes devices gets an error, as on a GPU: a model there and a batch here, a
generator of the CPU for numbers of the GPU, numpy() without cpu(). What it cannot show:
speed, memory, and how a GPU rounds. Run as a program it pretends until it ends, and
runs the programs that it is given.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda", 0)


class OnGPU(Tensor):
    """A tensor that says it lies on a GPU; its numbers are a tensor of the CPU."""

    device = GPU
    is_cuda = True
    is_cpu = False

    @staticmethod
    def __new__(cls, numbers: Tensor) -> OnGPU:
        return Tensor._make_wrapper_subclass(
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
        )

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers

    def __repr__(self, **_: object) -> str:
        return f"{self.numbers!r} on {GPU}"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        """What torch calls for any operation on at least one of these."""
        kwargs, name = kwargs or {}, operation.__name__
        for x in tree_leaves((args, kwargs)):
            here = isinstance(x, Tensor) and not isinstance(x, OnGPU)
            # a GPU takes single numbers, indices and what it copies from anywhere
            if here and x.dim() and "copy" not in name and "index" not in name:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least "
                    f"two devices, {GPU} and cpu! ({operation})"
                )
        if "copy_" in name and not isinstance(args[0], OnGPU):  # from the GPU
            return operation(args[0], args[1].numbers, *args[2:], **kwargs)
        inner, named = tree_map_only(OnGPU, lambda x: x.numbers, (args, kwargs))
        result = operation(*inner, **named)
        if isinstance(result, Tensor) and name.split(".")[0].endswith("_"):
            return args[0]  # changed in place
        return tree_map_only(Tensor, OnGPU, result)


class Generator(torch.Generator):
    """A random generator that says where it is."""

    def __new__(cls, device: torch.device | str = "cpu") -> Generator:
        made = super().__new__(cls)
        made.type = torch.device(device).type
        return made


class PretendGPU(TorchFunctionMode):
    """While it is on, torch's functions take "cuda" for a device."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return moved(function, *args, **kwargs)
        on_gpu = bool(args) and isinstance(args[0], OnGPU)
        device = torch.device(kwargs.get("device") or ("cuda" if on_gpu else "cpu"))
        if on_gpu and function in (Tensor.numpy, Tensor.__array__):
            raise TypeError(f"can't convert {GPU} device type tensor to numpy")
        if on_gpu and function is Tensor.tolist:
            return args[0].numbers.tolist()
        if on_gpu and function is F.scaled_dot_product_attention:
            kwargs = without_flag(*args[:2], **kwargs)
        generator = kwargs.get("generator")
        if isinstance(generator, Generator) and generator.type != device.type:
            raise RuntimeError(
                f"Expected a '{device.type}' device type for generator but found "
                f"'{generator.type}'"
            )
        if kwargs.get("device") is not None and device.type == "cuda":
            return OnGPU(function(*args, **kwargs | {"device": "cpu"}))
        return function(*args, **kwargs)


def moved(function, x: Tensor, *args, **kwargs) -> Tensor:
    """What x.to(...), x.cpu() and x.cuda() give."""
    device = kwargs.pop("device", None)
    if function is not Tensor.to:
        device, args = function.__name__, ()
    elif args and isinstance(args[0], (str, torch.device)):
        device, *args = args
    elif args and isinstance(args[0], Tensor):
        device, args = args[0].device, (args[0].dtype, *args[1:])
    if device is None:
        return Tensor.to(x, *args, **kwargs)
    x = Tensor.to(x, "cpu", *args, **kwargs)  # another dtype, a copy
    there = isinstance(x, OnGPU)
    if (torch.device(device).type == "cuda") == there:
        return x
    if x.requires_grad and torch.is_grad_enabled():
        # no gradient would come back, and the page would seem right
        raise RuntimeError(
            "the pretended GPU cannot move a tensor whose gradient is needed: move it "
            "before requires_grad is set, or a copy made by detach()"
        )
    return x.numbers if there else OnGPU(x.detach())


def without_flag(q: Tensor, k: Tensor, **kwargs) -> dict:
    """Attention with a mask in place of is_causal: torch would make it on the CPU."""
    if kwargs.pop("is_causal", False):
        mask = torch.ones(q.size(-2), k.size(-2), dtype=torch.bool).tril()
        kwargs["attn_mask"] = OnGPU(mask)
    return kwargs


def pretend() -> None:
    """From now on, and before anything of the package is imported."""
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda.get_device_name = lambda *_: "a GPU that is none"
    torch.Generator = Generator
    torch.inference_mode = torch.no_grad  # the former knows no tensors such as these
    torch.__future__.set_swap_module_params_on_conversion(True)  # ties stay tied
    PretendGPU().__enter__()


def main() -> None:
    """Read {name: cells} and print {name: how it failed, or nothing}, as JSON."""
    programs = json.load(sys.stdin)
    pretend()
    failed = {}
    for name, cells in programs.items():
        names, failed[name] = {"__name__": "__main__"}, ""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                for number, cell in enumerate(cells):
                    exec(compile(cell, f"{name}, cell {number}", "exec"), names)
        except Exception:
            failed[name] = traceback.format_exc()
    print(json.dumps(failed))


if __name__ == "__main__":
    main()
