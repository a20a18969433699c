"""A set whole, in containers of arrays: NumPy's `.npz` and safetensors."""

import io
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.formats.described import KEY, described
from condense.formats.outgoing.form import Asked, Form, Plan


def plan_npz(asked: Asked) -> Plan:
    """Its arrays, the names of its classes, mean and std, and one JSON text of all it states; nothing is pickled."""
    return Plan(lambda: {"set.npz": _npz(asked)})


def plan_safetensors(asked: Asked) -> Plan:
    """Its arrays as tensors, and in the metadata one JSON text of all it states.

    Raises `CondenseError` where the package safetensors is not installed.
    """
    save = _safetensors()

    def files() -> dict[str, bytes]:
        tensors, text = _described(asked)
        own = {name: tensor.contiguous() for name, tensor in tensors.items()}
        return {"set.safetensors": save(own, {"format": "pt", KEY: text})}

    return Plan(files)


def _described(asked: Asked) -> tuple[dict[str, Tensor], str]:
    """Arrays and text of the set, and for readers of arrays alone the learned rate as one too."""
    tensors, text = described(asked.first)
    rate = asked.first.learning_rate
    return tensors | ({} if rate is None else {"learning_rate": torch.tensor(rate, dtype=torch.float64)}), text


def _npz(asked: Asked) -> bytes:
    tensors, text = _described(asked)
    facts = asked.first.provenance
    more = {
        "class_names": np.array(facts.class_names, dtype=np.str_),
        "mean": np.array(facts.mean),
        "std": np.array(facts.std),
        KEY: np.array(text),
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: tensor.numpy() for name, tensor in tensors.items()}, **more)
    return buffer.getvalue()


def _safetensors() -> Any:
    try:
        from safetensors.torch import save  # pyright: ignore[reportMissingImports] - an extra
    except ImportError as error:
        raise CondenseError(
            "--to safetensors needs the package safetensors, which is not installed here: pip install safetensors."
        ) from error
    return save


NPZ = Form(
    "npz",
    "a .npz file with everything of the set (images, labels, class_names, mean, std, ...)",
    plan_npz,
    suffix=".npz",
    folder=False,
)
SAFETENSORS = Form(
    "safetensors",
    "a .safetensors file with everything of the set (needs the package safetensors)",
    plan_safetensors,
    suffix=".safetensors",
    folder=False,
)
