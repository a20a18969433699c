"""The words in names of files and of arrays that say which part of a data set they hold."""

import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate

PARTS = {
    "train": ("training", "train", "tr"),
    "test": ("testing", "test", "tst", "te"),
    "val": ("validation", "valid", "val", "dev", "evaluation", "eval", "holdout", "heldout"),
}
_LONG = 3
"""Letters of the words that are found without anything before and after them that sets them apart."""


@dataclass(frozen=True)
class PartWord:
    """A word for a part in a name, with the rest of the name; both without separators and in lower case.

    whole: whether separators, capital letters or the ends of the name set it apart.
    """

    part: str
    word: str
    before: str
    after: str
    whole: bool

    @property
    def rest(self) -> str:
        """The name without the word."""
        return self.before + self.after


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, as separators and capital letters set them apart: 'XTrain_2' is x, train, 2."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", unicodedata.normalize("NFC", name))
    return [word for word in re.split(r"[\W_]+", apart.lower()) if word]


def part_words(name: str) -> list[PartWord]:
    """Every word for a part in a name; of fewer than three letters only where it is set apart."""
    words = words_of(name)
    squeezed, ends = "".join(words), {0, *accumulate(map(len, words))}
    found = []
    for part, word in ((part, word) for part, those in PARTS.items() for word in those):
        for start in (match.start() for match in re.finditer(word, squeezed)):
            end = start + len(word)
            whole = start in ends and end in ends
            if whole or len(word) >= _LONG:
                found.append(PartWord(part, word, squeezed[:start], squeezed[end:], whole))
    return found
