"""What the tests of `condense.data.catalog` share: images, and the sentence a load is refused with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from condense.data.catalog import load
from condense.data.known import PUBLISHED, Fingerprints
from condense.data.split import join
from condense.data.torchvision_sets import PUBLISHED_SETS
from condense.errors import CondenseError

RNG = np.random.default_rng(0)
LABELS = np.array([0, 1, 2] * 10)
GREY = RNG.integers(0, 256, (30, 6, 7), dtype=np.uint8)
DIGITS_OF_SVHN = [10, *range(1, 10)]
COLOUR = RNG.integers(0, 256, (30, 6, 7, 3), dtype=np.uint8)


def message_of(name: object, **keywords: object) -> str:
    with pytest.raises(CondenseError) as caught:
        load(str(name), **keywords)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def declare_published(monkeypatch: pytest.MonkeyPatch, name: str, root: Path) -> None:
    """Lets the small files below `root` be the published set `name`."""
    train, test, class_names = PUBLISHED_SETS[name].read(root)
    data = join(name, train, test, class_names, where=name)
    prints = Fingerprints(
        *(
            one
            for kind in ("fingerprint", "former_fingerprint")
            for one in (getattr(data.train, kind), getattr(data.test, kind))
        )
    )
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], class_names=tuple(class_names), fingerprints=prints))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_svhn(path: Path, labels: list[int], **more) -> Path:
    """Every image has its place in the file as red, its label as green and its row as blue."""
    pixels = np.zeros((32, 32, 3, len(labels)), np.uint8)
    pixels[:, :, 0] = np.arange(len(labels))
    pixels[:, :, 1] = labels
    pixels[:, :, 2] = np.arange(32)[:, None, None]
    scipy.io.savemat(path, {"X": pixels, "y": np.array(labels, np.uint8)[:, None], **more}, do_compression=True)
    return path
