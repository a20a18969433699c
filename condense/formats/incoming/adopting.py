"""A foreign set, once its real images are known, as a set of ours: in the space that networks see, with provenance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from condense.data.images import DataSet, LabelledImages
from condense.data.known import PUBLISHED
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.decoding import IDENTITY, Decoder, Tiles
from condense.errors import CondenseError, quoted, shortened
from condense.formats.incoming.flags import FIT, Stated, published_normalisation
from condense.formats.incoming.foreign import Foreign, Normalisation
from condense.formats.incoming.spaces import Numbers
from condense.formats.incoming.understood import images_of, labels_of
from condense.formats.incoming.whitenings import whitening_in
from condense.given import made_of
from condense.preprocessing import ZCA
from condense.provenance import IMPORTED, UNKNOWN, Provenance
from condense.stage_t.evaluate import check_same_data
from condense.synthetic_set import SyntheticSet

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Imported:
    """A set of ours made of one of another program: its name, such as 'a.pt, set 1 of 5', and what was assumed."""

    set: SyntheticSet
    name: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Adoption:
    """A foreign set, and the real images that it belongs to."""

    foreign: Foreign
    data: DataSet
    stated: Stated

    @property
    def train(self) -> LabelledImages:
        """The real images."""
        return self.data.train

    def imported(self, dataset: str, reading: Reading | None, digests: dict[str, str]) -> Imported:
        """The set, made from the data set of this name or path, which was read so, of files with these digests."""
        if self.foreign.whole is not None:
            return self._as_it_was(self.foreign.whole)
        self._check_name()
        where, assumed = self.foreign.name, list[str]()
        images = self._noting(assumed, images_of(self.foreign, self.stated, self.train.shape))
        by, about_normalisation = self._normalisation()
        space = self._noting(assumed, self._space(images, by))
        whitening = self._noting(assumed, self._whitening(space))
        assumed += [] if whitening is not None else about_normalisation
        labels = self._noting(assumed, labels_of(self.foreign, self.stated, self.train.class_names))
        if self.foreign.unordered and not labels.is_floating_point():
            order = labels.argsort(stable=True)
            images, labels = images[order], labels[order]
        method, network = self._noting(assumed, self._names())
        config, decoder = self._config(dataset, reading, digests, assumed), self._decoder(space, by, whitening)
        named = {"method": method, "network": network, "images_per_class": self._images_per_class(labels)}
        try:
            made = SyntheticSet(
                _in_our_space(images, space, by),
                labels,
                self._provenance(by, config, **named),
                decoder=decoder,
                preprocessing=whitening,
                learning_rate=self.foreign.learning_rate,
            )
        except CondenseError as error:
            raise CondenseError(f"{where}: {error}") from error
        return Imported(made, where, tuple(assumed))

    def _as_it_was(self, whole: SyntheticSet) -> Imported:
        """A set that condense itself wrote. Raises `CondenseError` for one of other images, and where it is said anew."""
        anew = [name for name in self.stated.stated if name not in ("format", "only")]
        if anew:
            flag = f"--{anew[0].replace('_', '-')}"
            raise CondenseError(f"{self.foreign.name}: is a set of condense, which says it itself: leave {flag} out.")
        check_same_data(whole, self.data)
        return Imported(whole, self.foreign.name, ())

    @staticmethod
    def _noting(assumed: list[str], found: tuple[Found, Sequence[str]]) -> Found:
        """What was found, once what was assumed for it is noted."""
        assumed += found[1]
        return found[0]

    def _config(
        self, dataset: str, reading: Reading | None, digests: dict[str, str], assumed: Sequence[str]
    ) -> dict[str, Any]:
        """In place of a configuration of stage C: what finds the real images again, and where the set comes from."""
        return {
            **({} if reading is None else reading.stated),
            **({"reading": self.train.reading} if self.train.reading else {}),
            "dataset": stored_name(dataset),
            "seed": self.foreign.place,
            IMPORTED: {
                "name": self.foreign.name,
                "format": self.foreign.format,
                "files": digests,
                "stated": self.stated.stated,
                "assumed": list(assumed),
            },
        }

    def _provenance(self, by: Normalisation, config: dict[str, Any], **named: Any) -> Provenance:
        return made_of(
            self.train,
            dataset=self.data.name,
            mean=list(by[0]),
            std=list(by[1]),
            **named,
            seed=self.foreign.place,
            iterations=0,
            config=config,
            device=UNKNOWN,
            precision=UNKNOWN,
        )

    def _check_name(self) -> None:
        """Raises `CondenseError` where the file's name says another data set."""
        says = self.foreign.dataset
        if says is not None and says != self.data.name and says in PUBLISHED:
            raise CondenseError(
                f"{self.foreign.name}: its name says that it is of {says}, and --dataset that it is of "
                f"{shortened(self.data.name)}. If the latter is right, rename it."
            )

    def _normalisation(self) -> tuple[Normalisation, list[str]]:
        """Mean and standard deviation that normalise the images, and what was assumed."""
        own = tuple(self.train.mean), tuple(self.train.std)
        stated = self.stated.normalisation(len(own[0]))
        if stated is not None:
            return stated, []
        like = self.foreign.normalised_like.get(self.data.name)
        other = None if like is None else published_normalisation(like)
        if other is not None:
            return other, [f"the images are normalised by the numbers of {like}, as the programs of this format do it"]
        return own, [f"mean and standard deviation are those of {self.data.name}"]

    def _space(self, images: Tensor, by: Normalisation) -> tuple[str, list[str]]:
        """What the numbers in the images are, one of `flags.PIXELS`."""
        if images.dtype == torch.uint8:
            if self.stated.pixels not in (None, "bytes"):
                raise CondenseError(f"{self.foreign.name}: its images are bytes (uint8), not {self.stated.pixels}.")
            return "bytes", []
        numbers = Numbers(
            self.foreign.format,
            self.stated.pixels,
            self.foreign.space,
            self.foreign.may_be_whitened,
            self.foreign.may_be_idc,
            self.foreign.name,
            by,
            by_stated=bool(self.stated.mean),
        )
        space, assumed = numbers.space(images)
        if space == "whitened" and self.foreign.evidence and self.stated.pixels is None:
            assumed = [*assumed, f"the images are whitened, as {self.foreign.evidence}"]
        return space, assumed

    def _whitening(self, space: str) -> tuple[ZCA | None, list[str]]:
        """The whitening of whitened images. Raises `CondenseError` where there is none, and for one of other images."""
        where, asked = self.foreign.name, self.stated.zca
        if space != "whitened":
            if asked is not None:
                raise CondenseError(
                    f"{where}: --zca is for whitened images, and these are {space}; --pixels says what they are."
                )
            return None, []
        if asked == FIT:
            pixels = self.train.pixels.cpu().to(torch.float32) / 255
            return ZCA.fit(pixels), [f"the whitening is that of the training images of {self.data.name}, as MTT fits it"]
        if asked is not None:
            return whitening_in(Path(asked), self.train.shape), []
        if self.foreign.whitening is None:
            raise CondenseError(
                f"{where}: its images are whitened by ZCA, and no matrix comes with them, so that networks trained on them "
                "could not be tested. --zca FILE names a file with its mean and matrix; --zca fit fits it to the training "
                "images, as MTT's code does."
            )
        return self.foreign.whitening, []

    def _decoder(self, space: str, by: Normalisation, whitening: ZCA | None) -> Decoder:
        """What makes of the images what networks are trained on; the grey around tiles is 0.5 of pixels from 0 to 1, and of
        whitened images 0, their mean.
        """
        factor = self.foreign.factor if self.stated.factor is None else self.stated.factor
        if factor is None or (self.stated.factor is None and self.foreign.may_be_idc and space == "unit"):
            raise CondenseError(
                f"{self.foreign.name}: the file does not say whether its images are of tiles, as IDC's are: --factor N says "
                "N x N (1: none)."
            )
        if factor == 1:
            return IDENTITY
        grey = (0.0,) if whitening is not None else tuple((0.5 - mean) / std for mean, std in zip(*by, strict=True))
        return Tiles(factor, grey)

    def _names(self) -> tuple[tuple[str, str], list[str]]:
        """Method and network, and what was assumed."""
        foreign, assumed = self.foreign, []
        method = self.stated.method or foreign.method or IMPORTED
        if self.stated.method is None:
            assumed.append(f"the method is called {quoted(method)}")
        network = self.stated.learned_with or foreign.network or UNKNOWN
        if self.stated.learned_with is None:
            assumed.append(f"the network that it was learned with is {network}")
        return (method, network), assumed

    def _images_per_class(self, labels: Tensor) -> int:
        """That of the largest class; of soft labels as many as would make so many images."""
        classes = self.train.classes
        if labels.is_floating_point():
            return -(-len(labels) // classes)
        most = int(torch.bincount(labels, minlength=classes).max())
        says = self.foreign.images_per_class
        if says is not None and says != most:
            raise CondenseError(f"{self.foreign.name}: its name says {says} images per class, but it holds {most} of one.")
        return most


def _in_our_space(images: Tensor, space: str, by: Normalisation) -> Tensor:
    """Images as networks see them, float32; bytes exactly as real images are normalised."""
    mean, std = by
    if space == "bytes" and (images == images.round().clamp(0, 255)).all():
        count = len(images)
        names = ("all",)
        whole = LabelledImages(images.to(torch.uint8), torch.zeros(count, dtype=torch.int64), names, mean, std)
        return whole.inputs(torch.arange(count)).contiguous()
    if space in ("normalised", "whitened"):
        return images.to(torch.float32).contiguous()
    exact = images.double() / (255 if space == "bytes" else 1)
    wide = [torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (mean, std)]
    return ((exact - wide[0]) / wide[1]).to(torch.float32).contiguous()
