"""What images with labels are, whatever order and container they come in: a digest over the pairs."""

import hashlib
from collections.abc import Sequence

import numpy as np

_FORMAT = "condense images 1"


def content_digest(pixels: np.ndarray, labels: Sequence[int]) -> str:
    """SHA-256 over the shape of an image and the sorted SHA-256 of all (label, image) pairs: equal for equal multisets.

    pixels: uint8 (N, C, H, W); labels: N whole numbers from 0. A pair is its label, 8 bytes, the lowest first, then its
    bytes in the order (C, H, W). Pairs count as often as they occur.
    """
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    begun = {label: hashlib.sha256(int(label).to_bytes(8, "little")) for label in set(labels)}
    pairs = []
    for label, row in zip(labels, rows, strict=True):
        pair = begun[label].copy()
        pair.update(row.data)
        pairs.append(pair.digest())
    whole = hashlib.sha256(f"{_FORMAT} {tuple(pixels.shape[1:])}".encode())
    whole.update(b"".join(sorted(pairs)))
    return whole.hexdigest()


def ordered_digest(pixels: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> str:
    """SHA-256 over shape, class names, pixels (N, C, H, W) and int64 labels (N,) as they lie: another for another order."""
    digest = hashlib.sha256(repr((tuple(pixels.shape), tuple(class_names))).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()
