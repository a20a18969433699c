"""A set as pictures: folders of PNG files, one for each class, plain or as Hugging Face reads them, with a card."""

import json
import re

from condense.errors import CondenseError, quoted, shortened
from condense.files import LONGEST_NAME
from condense.formats.outgoing.card import card
from condense.formats.outgoing.consumers import (
    hard_labels,
    lost_decoder,
    lost_rate,
    lost_soft_labels,
    lost_whitening,
    pixel_values,
)
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.formats.outgoing.png import png
from condense.synthetic_set import SyntheticSet

EXACT = 1e-5
"""How far from a grey level of 8 bits a pixel may be, of the range from black to white, by the rounding of floats alone."""
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def plan_folder(asked: Asked) -> Plan:
    """CLASS/0000.png, ..., as torchvision's ImageFolder reads them, and README.md.

    Raises `CondenseError` where images must be taken out of a whitening that has no inverse.
    """
    synthetic, folders = asked.first, folders_of(asked.first.provenance.class_names)
    losses = [*_lost(synthetic), *lost_soft_labels(synthetic)]
    without = [name for name, count in zip(folders, synthetic.counts, strict=True) if not count]
    losses += [f"classes that no image is likeliest of ({', '.join(without)})"] if without else []
    if sorted(folders) != folders:
        losses.append("the numbers of the classes (readers number folders in the order of their names)")

    def files() -> dict[str, bytes]:
        pictures = {name: png for name, _, png in _pictures(synthetic, folders)}
        return {"README.md": card(asked, losses, "torchvision's ImageFolder"), **pictures}

    return Plan(files, tuple(losses), _renamed(synthetic, folders))


def plan_huggingface(asked: Asked) -> Plan:
    """train/CLASS/0000.png, ..., train/metadata.jsonl with numbers and names of classes (and soft labels), and README.md.

    Raises `CondenseError` as `plan_folder` does.
    """
    synthetic, folders = asked.first, folders_of(asked.first.provenance.class_names)
    losses = _lost(synthetic)

    def files() -> dict[str, bytes]:
        pictures = _pictures(synthetic, folders)
        lines = [json.dumps({"file_name": name, **_labels(synthetic, index)}) for name, index, _ in pictures]
        metadata = "".join(f"{line}\n" for line in lines).encode()
        own = {f"train/{name}": png for name, _, png in pictures}
        return {"README.md": card(asked, losses, "Hugging Face's imagefolder"), "train/metadata.jsonl": metadata, **own}

    return Plan(files, tuple(losses), _renamed(synthetic, folders))


def folders_of(class_names: list[str]) -> list[str]:
    """A folder's name for each class: its own, without what names of files cannot hold, and numbered where these are alike.

    Raises `CondenseError` for a name that is too long.
    """
    names = [_folder(name) for name in class_names]
    if len({name.casefold() for name in names}) < len(names):
        digits = len(str(len(names) - 1))
        names = [f"{index:0{digits}d}_{name}" for index, name in enumerate(names)]
    for name in names:
        if len(name.encode()) > LONGEST_NAME:
            raise CondenseError(f"The class {quoted(name)} cannot be a folder: names have at most {LONGEST_NAME} bytes.")
    return names


def _folder(name: str) -> str:
    plain = _NOT_IN_NAMES.sub("-", name.encode(errors="replace").decode()).strip().rstrip(".")
    plain = f"_{plain.lstrip('.')}" if plain.startswith(".") else plain  # a hidden folder is read by nobody
    return f"_{plain}" if not plain or _RESERVED.fullmatch(plain) else plain


def _renamed(synthetic: SyntheticSet, folders: list[str]) -> tuple[str, ...]:
    names = synthetic.provenance.class_names
    changed = [(name, folder) for name, folder in zip(names, folders, strict=True) if name != folder]
    if not changed:
        return ()
    first = f"{quoted(changed[0][0])} is {shortened(changed[0][1])}"
    more = f" ({len(changed)} are called otherwise)" if len(changed) > 1 else ""
    return (f"Names of classes that no folder can have are changed: {first}{more}.",)


def _lost(synthetic: SyntheticSet) -> list[str]:
    """What pictures of 8 bits lose, whatever the labels."""
    pixels = pixel_values(synthetic, synthetic.decoded()[0])
    clipped = pixels.clamp(0, 1)
    off = float(((clipped * 255).round() / 255 - clipped).abs().max())
    beyond = int(((pixels - clipped).abs() > EXACT).sum())
    lost = [f"float32 pixels (8 bits are written, up to {off:.4f} from them, where black is 0 and white 1)"] * (off > EXACT)
    lost += [f"what is beyond black and white ({beyond:,} of {pixels.numel():,} values are clipped)"] * (beyond > 0)
    return [*lost, *lost_decoder(synthetic), *lost_whitening(synthetic), *lost_rate(synthetic)]


def _pictures(synthetic: SyntheticSet, folders: list[str]) -> list[tuple[str, int, bytes]]:
    """(Path, index among the decoded images, PNG) of every image, class by class."""
    pixels, labels = synthetic.decoded_pixels()
    of_class = hard_labels(labels)
    found = []
    for number, folder in enumerate(folders):
        for place, index in enumerate((of_class == number).nonzero()[:, 0].tolist()):
            found.append((f"{folder}/{place:04d}.png", index, png(pixels[index])))
    return found


def _labels(synthetic: SyntheticSet, index: int) -> dict[str, object]:
    """What the line of a decoded image says: the number and name of its class, of soft labels their probabilities too."""
    label = synthetic.labels[index % len(synthetic.images)]  # a decoder repeats labels in their order
    number = int(hard_labels(label[None]))
    soft = {"probabilities": label.tolist()} if label.is_floating_point() else {}
    return {"label": number, "class": synthetic.provenance.class_names[number], **soft}


FOLDER = Form(
    "folder",
    "a folder of PNG files for each class (torchvision's ImageFolder), and a card",
    plan_folder,
    accuracies=True,
    card=True,
)
HUGGINGFACE = Form(
    "huggingface",
    "the same below train/, with metadata.jsonl and a dataset card, as Hugging Face reads it",
    plan_huggingface,
    accuracies=True,
    card=True,
)
