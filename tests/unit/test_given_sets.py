"""Sets of one's own images and labels, sets as datasets of PyTorch, in notebooks and compared."""

import base64
import io
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import condense
from condense import CondenseError, SyntheticSet
from condense.data.images import DataSet, LabelledImages
from condense.decoding import Tiles
from condense.preprocessing import ZCA


@pytest.fixture
def data(small_images: Any) -> LabelledImages:
    return small_images(shape=(3, 8, 8), counts=(9, 9))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


LABELS = [0, 0, 1, 1]


def of(images: Any, labels: Any, data: Any, **given: Any) -> SyntheticSet:
    return SyntheticSet.of(images, labels, data, **{"method": "mine", "pixels": "unit", **given})


FORMS: dict[str, Any] = {
    "float64": lambda x: x,
    "NumPy": lambda x: x.numpy(),
    "big endian": lambda x: x.numpy().astype(">f8"),
    "long double": lambda x: x.numpy().astype(np.longdouble),
    "with gradients": lambda x: x.clone().requires_grad_(),
    "computed": lambda x: x.clone().requires_grad_() * 1,
    "not contiguous": lambda x: x.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "reversed": lambda x: x.numpy()[::-1].copy()[::-1],
    "read only": lambda x: np.broadcast_to(x.numpy(), x.shape),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_in_any_form_are_one_set(form: str, data: LabelledImages, images: torch.Tensor) -> None:
    mine, usual = of(FORMS[form](images), LABELS, data), of(images, LABELS, data)
    assert mine == usual and hash(mine) == hash(usual) and mine.to_bytes() == usual.to_bytes()
    assert not mine.images.requires_grad and mine.images.is_contiguous()
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (data.mean, data.std))
    assert torch.equal(mine.images, ((images - mean) / std).float())


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_images_of_any_type_of_floats(kind: torch.dtype, data: LabelledImages, images: torch.Tensor) -> None:
    mine = of(images.to(kind), LABELS, data)
    torch.testing.assert_close(mine.images, of(images, LABELS, data).images, rtol=0.05, atol=0.05)
    assert mine.images.dtype == torch.float32


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", "i4", "i8", "u8"])
def test_labels_of_any_type_of_whole_numbers(kind: str, data: LabelledImages, images: torch.Tensor) -> None:
    assert of(images, np.array(LABELS, dtype=kind), data) == of(images, torch.tensor(LABELS), data)


def test_bytes_are_normalised_as_real_images_are(data: LabelledImages) -> None:
    chosen = torch.tensor([0, 1, 9, 10])
    for given in (data.pixels[chosen], data.pixels[chosen].numpy().astype(np.int64), data.pixels[chosen].float()):
        mine = SyntheticSet.of(given, LABELS, data, method="mine", pixels="bytes")
        torch.testing.assert_close(mine.images, data.inputs(chosen), rtol=1e-6, atol=1e-6)
        assert torch.equal(mine.pixels(), data.pixels[chosen])
    assert SyntheticSet.of(data.pixels[chosen], LABELS, data, method="mine") == mine


def test_normalised_images_are_taken_as_they_are(data: LabelledImages) -> None:
    seen = data.inputs(torch.tensor([0, 1, 9, 10]))
    for pixels in (None, "normalised"):
        assert torch.equal(of(seen, LABELS, data, pixels=pixels).images, seen)
    whitened = data.whitened_by(ZCA.fit(data.pixels / 255))
    mine = of(data.pixels[[0, 1, 9, 10]] / 255, LABELS, whitened)
    assert mine.preprocessing is whitened.whitening
    torch.testing.assert_close(mine.images, whitened.inputs(torch.tensor([0, 1, 9, 10])), rtol=1e-3, atol=1e-4)
    assert torch.equal(of(seen, LABELS, whitened, pixels="normalised").images, seen)


def test_soft_labels_and_logits(data: LabelledImages, images: torch.Tensor) -> None:
    rows = torch.randn(4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    mine = of(images, rows, data, logits=True)
    assert mine.soft and mine == of(images, rows.softmax(1), data)
    assert mine.provenance.images_per_class == 2
    with pytest.raises(CondenseError, match="soft labels that are no probabilities"):
        of(images, rows, data)


def test_what_is_given_is_stored(data: LabelledImages, images: torch.Tensor, tmp_path: Path) -> None:
    whole = DataSet("noise", data, data)
    config = {"alpha": 0.5, "epochs": [1, 2]}
    given = {"network": "ConvNet", "seed": 7, "iterations": 20, "learning_rate": 0.02, "decoder": Tiles(2)}
    mine = of(images, LABELS, whole, config=config, **given)
    facts = mine.provenance
    assert (facts.method, facts.network, facts.seed, facts.iterations) == ("mine", "ConvNet", 7, 20)
    assert (facts.dataset, facts.dataset_fingerprint) == (data.name, data.fingerprint)
    assert facts.config == {"dataset": data.name, **config}
    assert (mine.learning_rate, mine.decoder) == (0.02, Tiles(2))
    mine.save(tmp_path / "mine.h5")
    assert SyntheticSet.load(tmp_path / "mine.h5") == mine
    assert of(images[:3], [0, 1, 1], data).counts == (1, 2)


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "a question": ({"pixels": None}, r"Are the images, with values from .*, pixels or normalised\? Say pixels='unit' or"),
    "no space": ({"pixels": "float"}, r"pixels='float' is none of 'normalised', 'unit', 'bytes'"),
    "no bytes": ({"pixels": "bytes"}, "are no pixels from 0 to 255"),
    "beyond": (
        {"images": torch.full((4, 3, 8, 8), 300), "pixels": None},
        "Whole numbers are bytes, from 0 to 255; these go from 300 to 300",
    ),
    "whole": ({"images": torch.ones(4, 3, 8, 8, dtype=torch.int32)}, "whole numbers .*, which are bytes, not unit"),
    "turned": ({"images": torch.rand(4, 8, 8, 3)}, r"\(N, H, W, C\): give images\.transpose\(0, 3, 1, 2\)"),
    "size": ({"images": torch.rand(4, 3, 9, 8)}, r"must be \(N, 3, 8, 8\), not \(4, 3, 9, 8\)\."),
    "none": ({"images": torch.rand(0, 3, 8, 8)}, r"must be \(N, 3, 8, 8\), not \(0, 3, 8, 8\)"),
    "texts": ({"images": [["a"]]}, "The images are neither an array of numbers nor a tensor"),
    "ragged": ({"images": [[1], [1, 2]]}, "The images are neither an array of numbers nor a tensor: ValueError"),
    "complex": ({"images": torch.rand(4, 3, 8, 8) * 1j}, "must be plain numbers"),
    "nan": ({"images": torch.full((4, 3, 8, 8), float("nan")), "pixels": "normalised"}, "pixels that are not finite"),
    "floats": ({"labels": [0.0, 0.0, 1.0, 1.0]}, r"The labels must be whole numbers \(N,\), or floats \(N, 2\)"),
    "one hot": ({"labels": [[0, 1]] * 4}, "The labels must be whole numbers"),
    "bools": ({"labels": torch.tensor([True] * 4)}, "The labels must be whole numbers"),
    "class": ({"labels": [0, 0, 1, 2]}, "The labels must be from 0 to 1"),
    "left out": ({"labels": [0, 0, 0, 0]}, "labels name class 1 0 times"),
    "fewer": ({"labels": [0, 1]}, "There are 4 images and 2 labels"),
    "classes": ({"labels": torch.rand(4, 3)}, r"labels int64 \(N,\) or float32 \(N, 2\)"),
    "not logits": ({"logits": True}, "With logits=True labels are floats"),
    "no data": ({"data": "digits"}, "The real images are what condense.load gives, not str"),
    "config": ({"config": {"x": object()}}, "The config must be plain values by name"),
    "seed": ({"seed": 1.5}, "The seed must be of the type int"),
    "method": ({"method": None}, "The method must be of the type str"),
    "disagreeing": ({"seed": 3, "config": {"seed": 4}}, "contradicts itself: seed is 3 and in its configuration 4"),
}


@pytest.mark.parametrize("fault", UNFIT)
def test_what_is_no_set_is_said_in_a_sentence(fault: str, data: LabelledImages, images: torch.Tensor) -> None:
    given, sentence = UNFIT[fault]
    with pytest.raises(CondenseError, match=sentence) as caught:
        of(**{"images": images, "labels": LABELS, "data": data, **given})
    assert "\n" not in str(caught.value)


# A dataset of PyTorch


def test_it_is_a_dataset_of_what_networks_are_trained_on(data: LabelledImages, images: torch.Tensor) -> None:
    for one in (of(images, LABELS, data), of(images, LABELS, data, decoder=Tiles(2))):
        decoded, labels = one.decoded()
        assert isinstance(one, Dataset) and len(one) == len(decoded)
        assert all(torch.equal(image, wanted) for (image, _), wanted in zip(one, decoded, strict=True))
        assert [label for _, label in one] == labels.tolist() and type(one[0][1]) is int
        assert torch.equal(one[-1][0], decoded[-1]) and torch.equal(one[np.int64(1)][0], decoded[1])
        assert torch.equal(one[1:3][0], decoded[1:3]) and torch.equal(one[[2, 0]][1], labels[[2, 0]])
        batches = list(DataLoader(one, batch_size=3))
        assert torch.equal(torch.cat([x for x, _ in batches]), decoded)
        assert torch.equal(torch.cat([y for _, y in batches]), labels)
        with pytest.raises(IndexError):
            one[len(one)]
    soft = of(images, torch.full((4, 2), 0.5), data)
    assert torch.equal(soft[1][1], torch.tensor([0.5, 0.5]))


def test_equality_is_by_content(data: LabelledImages, images: torch.Tensor, tmp_path: Path) -> None:
    one, same = of(images, LABELS, data), of(images.clone(), LABELS, data)
    assert one == same and len({one, same}) == 1 and one is not same
    assert pickle.loads(pickle.dumps(one)) == one
    others = [
        replace(one, images=one.images + 1),
        replace(one, labels=one.labels.flip(0)),
        replace(one, provenance=replace(one.provenance, method="other")),
        replace(one, learning_rate=0.1),
        replace(one, decoder=Tiles(2)),
    ]
    assert all(one != other for other in others) and len({one, *others}) == 6
    assert one != "a set" and one != None  # noqa: E711


def test_it_is_short_at_a_prompt_and_a_picture_in_a_notebook(data: LabelledImages, images: torch.Tensor) -> None:
    named = replace(data, class_names=("cat & dog", "<b>"))
    one = of(images, LABELS, named)
    assert re.fullmatch(r"SyntheticSet\(noise: 2 classes x 2, 3 x 8 x 8, by mine, [0-9a-f]{12}\)", repr(one))
    shown = one._repr_html_()
    assert "cat &amp; dog" in shown and "&lt;b&gt;" in shown and shown.count("<tr>") == 2
    strips = [base64.b64decode(coded) for coded in re.findall(r"base64,([^\"]+)", shown)]
    picture = np.asarray(Image.open(io.BytesIO(strips[1])))
    assert np.array_equal(picture[:, 9:], one.pixels()[3].permute(1, 2, 0).numpy())
    tiles = of(images, torch.full((4, 2), 0.5), named, decoder=Tiles(2))
    assert "tiles of factor 2, soft labels" in repr(tiles) and "<tr>" in tiles._repr_html_()
    flat = ZCA(torch.zeros(3, 8, 8), torch.zeros(192, 192))
    assert "has no inverse" in replace(one, preprocessing=flat)._repr_html_()


def test_many_classes_are_not_all_shown(small_images: Any) -> None:
    data = small_images(shape=(1, 8, 8), counts=(1,) * 25)
    one = SyntheticSet.of(data.pixels[:, 0], range(25), data, method="mine")
    assert "and 5 more classes" in one._repr_html_() and one._repr_html_().count("<tr>") == 20


def test_it_can_be_evaluated(data: LabelledImages, images: torch.Tensor) -> None:
    whole = DataSet("noise", data, data)
    config = condense.EvaluateConfig(network=("mlp-1x8",), protocol=condense.Protocol(name="quick", epochs=2), seeds=1)
    (record,) = condense.evaluate(config, of(images, LABELS, whole), whole)
    assert record.config["set"]["method"] == "mine"
