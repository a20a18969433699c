"""Tensors in files side by side: images_best.pt, labels_best.pt, lr_best.pt, as MTT and those after it save them."""

from pathlib import Path
from typing import Any

from torch import Tensor

from condense.formats.incoming.flags import MTT_NORMALISATION, Stated
from condense.formats.incoming.foreign import Foreign, Format, Given
from condense.formats.incoming.torch_files import is_plain, load_torch, plain
from condense.formats.incoming.whitenings import is_whitening, whitening_in

_IMAGES, _LABELS, _RATE, _ZCA = "images", "labels", "lr", "zca"
_OF_FOLDERS = ("images_best.pt", "images.pt")
"""Which file of a folder has the images, if the folder is given."""
_UNWHITENED = "images_zca"
"""How the files begin that MTT writes beside whitened images: the same as they look."""


def _images_file(given: Given) -> Path | None:
    """The file with the images; None where there is none."""
    if given.path.is_dir():
        return next((path for name in _OF_FOLDERS if (path := given.path / name).is_file()), None)
    return given.path if _IMAGES in given.path.name and is_plain(given.torch) else None


def _beside(images: Path, what: str) -> Path:
    """The file beside that has something else of the same set: 'labels_best.pt' beside 'images_best.pt'."""
    before, _, after = images.name.rpartition(_IMAGES)
    return images.with_name(f"{before}{what}{after}")


def _labels_of(given: Given) -> Tensor | None:
    """The labels beside the images; None where either is missing or no tensor."""
    images = _images_file(given)
    if images is None or not _beside(images, _LABELS).is_file():
        return None
    labels = load_torch(_beside(images, _LABELS))
    return labels if is_plain(labels) else None


def _recognises_mtt(given: Given) -> bool:
    labels = _labels_of(given)
    return _images_file(given) is not None and (labels is None or not _is_soft(labels))


def _recognises_datm(given: Given) -> bool:
    labels = _labels_of(given)
    return labels is not None and _is_soft(labels)


def _is_soft(labels: Tensor) -> bool:
    return labels.dim() == 2 and labels.is_floating_point() and labels.shape[1] > 1


def _read(given: Given, name: str, labels_are: str) -> list[Foreign]:
    images = _images_file(given)
    if images is None:
        raise given.refusal("holds no images as MTT saves them: a tensor in images_best.pt.")
    if given.path.is_dir() and all((given.path / other).is_file() for other in _OF_FOLDERS):
        raise given.refusal(f"holds {' and '.join(_OF_FOLDERS)}; name one of them.")
    labels = _labels_of(given)
    if labels is None:
        raise given.refusal(f"there are no labels beside it; they are looked for in {_beside(images, _LABELS).name}.")
    pixels = load_torch(images)
    if not is_plain(pixels):
        raise given.refusal(f"{images.name} holds no tensor of images.")
    files = [images, _beside(images, _LABELS)]
    rate, zca = _rate(given, _beside(images, _RATE)), _zca_file(images)
    if rate is not None:
        files.append(_beside(images, _RATE))
    if zca is not None:
        files.append(zca)
    whitened = zca is not None or any(images.parent.glob(f"{_UNWHITENED}_*.pt"))
    evidence = zca.name if zca is not None else f"{_UNWHITENED}_*.pt"
    return [
        Foreign(
            name,
            plain(pixels, images, "images"),
            plain(labels, _beside(images, _LABELS), "labels"),
            given.name,
            tuple(files),
            space="whitened" if whitened else None,
            labels_are=labels_are,
            learning_rate=rate,
            whitening=None if zca is None else whitening_in(zca, tuple(pixels.shape[1:])),
            may_be_whitened=True,
            normalised_like=MTT_NORMALISATION,
            method=name,
            evidence=f"{evidence} lies beside them" if whitened else None,
        )
    ]


def _rate(given: Given, path: Path) -> float | None:
    """The learned rate beside the images; None where there is none. Raises `CondenseError` for what is no rate."""
    if not path.is_file():
        return None
    found: Any = load_torch(path)
    if is_plain(found) and found.numel() == 1:
        found = found.item()
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise given.refusal(f"{path.name} beside it holds no learning rate, which is one number.")
    return float(found)


def _zca_file(images: Path) -> Path | None:
    """The file beside that holds the whitening; None where there is none."""
    candidates = [_beside(images, _ZCA).with_suffix(suffix) for suffix in (".pt", ".npz", ".safetensors")]
    candidates += [images.with_name(f"{_ZCA}{suffix}") for suffix in (".pt", ".npz", ".safetensors")]
    return next((path for path in candidates if path.is_file() and is_whitening(path)), None)


def _read_mtt(given: Given, stated: Stated) -> list[Foreign]:
    return _read(given, "mtt", "hard")


def _read_datm(given: Given, stated: Stated) -> list[Foreign]:
    return _read(given, "datm", "logits")


MTT = Format("mtt", _recognises_mtt, _read_mtt)
DATM = Format("datm", _recognises_datm, _read_datm)
