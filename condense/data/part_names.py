"""Which part of a data set a folder's name stands for, in whatever way people write 'train' and 'test'."""

import re
from dataclasses import dataclass

TRAIN, TEST, VAL = "train", "test", "val"
_WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing"), TEST),
    **dict.fromkeys(("val", "valid", "validation"), VAL),
}
_SHORT = {"tr": TRAIN, "trn": TRAIN, "te": TEST, "tst": TEST, "dev": VAL}
"""Words that are too short to be looked for inside a name, and may be names of classes as well."""
_LONGEST_FIRST = "|".join(sorted(_WORDS, key=len, reverse=True))
_APART = re.compile(rf"(?<![a-z])({_LONGEST_FIRST})(?![a-z])")
_AT_AN_END = re.compile(rf"^({_LONGEST_FIRST})|({_LONGEST_FIRST})$")
_NOTHING_MORE = {"", "set", "data", "dataset", "split", "part", "folder"} | {
    f"{word}{more}" for word in ("image", "img", "picture", "photo") for more in ("", "s", "set")
}
"""What is left of names such as `train_set` and says nothing."""


@dataclass(frozen=True)
class PartName:
    """What a name says: of which part, and of which data set ('' where it says none, 'seg' of `seg_train`).

    certain: whether it can hardly be the name of a class.
    """

    part: str
    of: str
    certain: bool


def part_name(name: str) -> PartName | None:
    """What the name of a folder says of parts, in any case and with any separators; None where it says nothing.

    `train`, `Training Data`, `test_set`, `trainset`, `seg_train`, `val2017`, and `tr`, `te` and `dev` where they are all
    of a name. A name with two such words says nothing.
    """
    lower = name.casefold()
    for pattern, text in ((_APART, lower), (_AT_AN_END, _plain(lower))):
        found = list(pattern.finditer(text))
        if len(found) > 1:
            return None
        if found:
            rest = _plain(text[: found[0].start()] + text[found[0].end() :])
            return PartName(_WORDS[found[0].group()], "" if rest in _NOTHING_MORE else rest, certain=True)
    words = re.findall(r"[^\W_]+", lower)
    short = [word for word in words if word in _SHORT]
    if len(short) == 1 and "".join(word for word in words if word != short[0]) in _NOTHING_MORE:
        return PartName(_SHORT[short[0]], "", certain=False)
    return None


def _plain(text: str) -> str:
    """Letters and digits alone."""
    return "".join(character for character in text if character.isalnum())
