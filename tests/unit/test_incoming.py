"""Files of sets as other programs write them, read as sets of ours."""

import io
import pickle
import struct
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from foreign_files import (
    CLASSES,
    MEAN,
    STD,
    huggingface,
    image_folder,
    mtt,
    normalised,
    pixels_of,
    real_images,
    save_png,
    vico,
)
from torch import Tensor

from condense.config import EvaluateConfig, LearnConfig
from condense.data.images import DataSet, LabelledImages
from condense.data.known import PUBLISHED
from condense.decoding import Tiles
from condense.errors import CondenseError
from condense.formats.incoming import FORMATS, KNOWN, Imported, Stated, is_foreign, sets_of
from condense.formats.incoming.spaces import Numbers, could_be_bytes
from condense.formats.incoming.torch_files import load_torch
from condense.formats.outgoing import export
from condense.preprocessing import ZCA
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import networks_of
from condense.synthetic_set import SyntheticSet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data() -> DataSet:
    return real_images()


def one(path: Path, data: DataSet, **stated: Any) -> Imported:
    (found,) = sets_of(path, data, Stated(**stated))
    return found


def same(found: Imported, images: Tensor, labels: Tensor) -> bool:
    return torch.equal(found.set.images, images) and torch.equal(found.set.labels, labels)


def test_every_format_is_one_of_those_that_are_told():
    assert [known.name for known in KNOWN] == list(FORMATS)


@pytest.mark.parametrize("old", [False, True])
def test_vico_has_several_sets_and_numbers_of_numpy(tmp_path, data, old):
    pairs = [normalised(data, 2, start) for start in (0, 2)]
    found = sets_of(vico(tmp_path / "res_DSA_own_ConvNetBN_2ipc.pt", pairs, old=old), data, Stated())
    assert [one.name for one in found] == [f"res_DSA_own_ConvNetBN_2ipc.pt, set {number} of 2" for number in (1, 2)]
    assert all(same(one, *pair) for one, pair in zip(found, pairs, strict=True))
    facts = [one.set.provenance for one in found]
    assert [(one.method, one.network, one.images_per_class, one.seed) for one in facts] == [
        ("dsa", "ConvNetBN", 2, seed) for seed in (0, 1)
    ]
    assert {one.set.format_version for one in found} == {1}


def test_numbers_of_numpy_are_read_without_numpy(tmp_path):
    values = [np.float64(0.1), np.float32(0.5), np.int64(-3), np.uint8(200), np.bool_(True), np.array(2.5, ">f8")[()]]
    torch.save({"data": [], "accs": values}, tmp_path / "a.pt")
    found = load_torch(tmp_path / "a.pt")["accs"]
    assert found == [0.1, 0.5, -3, 200, True, 2.5]
    assert [type(value) for value in found] == [float, float, int, int, bool, float]


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_what_is_no_number_of_numpy_is_refused(tmp_path, module):
    """As in files of either version of NumPy: a type of objects, bytes that are too few, a state that is none."""

    def file(kind: str, state: tuple[Any, ...] | None, data: bytes) -> bytes:
        out = io.BytesIO()
        out.write(b"\x80\x02c" + module.encode() + b"\nscalar\ncnumpy\ndtype\n")
        out.write(b"X" + struct.pack("<I", len(kind)) + kind.encode() + b"\x89\x88\x87R")
        if state is not None:
            out.write(pickle.dumps(state, protocol=2)[2:-1] + b"b")
        out.write(b"c_codecs\nencode\nX" + struct.pack("<I", len(data)) + data + b"X\x06\x00\x00\x00latin1\x86R\x86R.")
        return out.getvalue()

    for kind, state, bytes_ in (("O8", (3, "|"), b"a" * 8), ("f8", None, b"a" * 4), ("f8", (3, "x"), b"a" * 8)):
        torch.save([torch.zeros(1)], tmp_path / "a.pt")
        with ZipFile(tmp_path / "a.pt") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with ZipFile(tmp_path / "a.pt", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, file(kind, state, bytes_) if name.endswith("data.pkl") else content)
        with pytest.raises(CondenseError, match="Nothing of it was run"):
            load_torch(tmp_path / "a.pt")


def test_lists_are_normalised_unless_their_pixels_could_be_unit(tmp_path, data):
    images, labels = normalised(data)
    torch.save((images.double().requires_grad_(), labels.int()), tmp_path / "a.pt")
    found = one(tmp_path / "a.pt", data)
    assert same(found, images, labels) and any("float64" in sentence for sentence in found.assumed)
    assert any(sentence.startswith("the images are normalised, as their values from ") for sentence in found.assumed)
    pixels, _ = pixels_of(data)
    torch.save([pixels / 255, labels], tmp_path / "a.pt")
    assert torch.allclose(one(tmp_path / "a.pt", data, pixels="unit", format="pair").set.images, images, atol=1e-5)
    assert torch.equal(one(tmp_path / "a.pt", data, pixels="normalised").set.images, pixels / 255)
    torch.save([pixels.float(), labels], tmp_path / "a.pt")
    assert same(one(tmp_path / "a.pt", data, pixels="bytes"), images, labels)


def test_idc_has_tiles_with_the_grey_of_its_pixels(tmp_path, data):
    images, labels = normalised(data)
    torch.save([pixels_of(data)[0] / 255, labels], tmp_path / "data.pt")
    found = one(tmp_path / "data.pt", data, factor=4).set
    grey = tuple((0.5 - mean) / std for mean, std in zip(MEAN, STD, strict=True))
    assert found.decoder == Tiles(4, grey) and found.provenance.method == "idc"
    assert torch.allclose(found.images, images, atol=1e-5)
    assert one(tmp_path / "data.pt", data, format="idc", factor=1).set.format_version == 1


def test_mtt_has_a_rate_and_a_whitening_where_one_comes_with_it(tmp_path, data):
    images, labels = normalised(data)
    path = mtt(tmp_path / "run", images, labels, rate=0.25)
    for given in (path, path.parent):
        found = one(given, data, pixels="normalised")
        assert same(found, images, labels) and found.set.learning_rate == 0.25 and found.set.preprocessing is None
    zca = ZCA.fit(data.train.pixels / 255)
    torch.save({"mean_vector": zca.mean.reshape(1, -1), "transform_matrix": zca.matrix}, path.with_name("zca.pt"))
    for stated in ({}, {"pixels": "whitened", "zca": "fit"}, {"zca": str(path.with_name("zca.pt"))}):
        found = one(path, data, **stated)
        assert found.set.preprocessing is not None and same(found, images, labels)
        assert torch.equal(found.set.preprocessing.matrix, zca.matrix) and torch.equal(
            found.set.preprocessing.mean, zca.mean
        )
    assert one(path, data, pixels="normalised").set.preprocessing is None
    np.savez(tmp_path / "wrong.npz", mean=np.zeros(4, np.float32), matrix=np.eye(4, dtype=np.float32))
    with pytest.raises(CondenseError, match="are no whitening of images"):
        one(path, data, pixels="whitened", zca=str(tmp_path / "wrong.npz"))


def test_labels_of_datm_are_logits(tmp_path, data):
    images, _ = normalised(data)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)) * 3
    found = one(mtt(tmp_path / "run", images, logits, rate=0.5), data, pixels="normalised")
    assert torch.allclose(found.set.labels, logits.softmax(dim=1)) and found.set.soft
    assert found.set.provenance.method == "datm" and "the labels are logits, as the format has them" in found.assumed
    logits[torch.arange(6), torch.arange(6) // 2] += 20
    hard = one(mtt(tmp_path / "run", images, logits, rate=0.5), data, pixels="normalised", labels="hard")
    assert torch.equal(hard.set.labels, torch.arange(6) // 2)


def test_hard_and_soft_labels_are_told_apart(tmp_path, data):
    images, labels = normalised(data)
    one_hot = torch.nn.functional.one_hot(labels)
    soft = (one_hot.float() * 2).softmax(dim=1)
    for stored, wanted in (
        (labels.to(torch.uint8), labels),
        (labels.float(), labels),
        (labels[:, None], labels),
        (one_hot, labels),
        (one_hot.float(), one_hot.float()),
        (soft, soft),
    ):
        torch.save({"image_syn": images, "label_syn": stored}, tmp_path / "a.pt")
        assert torch.equal(one(tmp_path / "a.pt", data).set.labels, wanted)
    torch.save({"images": images, "labels": one_hot.float() - 0.1}, tmp_path / "a.pt")
    assert torch.equal(one(tmp_path / "a.pt", data, labels="hard").set.labels, labels)


def test_npz_has_bytes_or_floats_and_channels_where_it_is_said(tmp_path, data):
    images, labels = normalised(data)
    pixels, _ = pixels_of(data)
    np.savez(tmp_path / "a.npz", X=pixels.numpy(), y=labels.numpy().astype(np.uint16), lr=np.float32(0.5))
    found = one(tmp_path / "a.npz", data)
    assert same(found, images, labels) and found.set.learning_rate == 0.5
    np.savez(tmp_path / "a.npz", images=pixels.permute(0, 2, 3, 1).numpy().astype(">f4"), labels=labels.numpy())
    assert same(one(tmp_path / "a.npz", data, channels_last=True, pixels="bytes"), images, labels)
    np.savez(tmp_path / "a.npz", images=images.numpy(), labels=labels.numpy(), extra=np.zeros(3))
    assert same(one(tmp_path / "a.npz", data), images, labels)
    zca = ZCA.fit(data.train.pixels / 255)
    whitening: dict[str, Any] = {"whitening_mean": zca.mean.numpy(), "whitening_matrix": zca.matrix.numpy()}
    np.savez(tmp_path / "a.npz", images=images.numpy(), labels=labels.numpy(), **whitening)
    assert str(one(tmp_path / "a.npz", data).set.preprocessing) == "ZCA"
    np.savez(tmp_path / "a.npz", images=np.array([object()]), labels=labels.numpy())
    with pytest.raises(CondenseError, match="Python objects"):
        one(tmp_path / "a.npz", data)


def test_safetensors(tmp_path, data):
    library = pytest.importorskip("safetensors.torch")
    images, labels = normalised(data)
    library.save_file({"images": images, "labels": labels, "lr": torch.tensor([0.5])}, tmp_path / "a.safetensors")
    found = one(tmp_path / "a.safetensors", data)
    assert same(found, images, labels) and found.set.learning_rate == 0.5
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-9])
    with pytest.raises(CondenseError, match="cannot be read as a safetensors file"):
        one(tmp_path / "cut.safetensors", data)


def test_safetensors_without_its_library(tmp_path, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "a.safetensors").write_bytes(b"")
    with pytest.raises(
        CondenseError, match=r"needs the library safetensors, which is not installed: pip install 'dataset-condensation"
    ):
        one(tmp_path / "a.safetensors", data)


def test_folders_by_the_names_of_classes_their_numbers_or_both(tmp_path, data):
    images, labels = normalised(data)
    pixels, _ = pixels_of(data)
    safe = ("ant", "bee", "T-shirt_top")
    for number, names in enumerate(
        (safe, ("0", "1", "2"), ("00_ant", "01_bee", "02_T-shirt_top"), ("class 0", "class 1", "class 2"))
    ):
        folder = image_folder(tmp_path / str(number), pixels, [names[label] for label in labels])
        assert same(one(folder, data), images, labels), names
    inner = image_folder(tmp_path / "inner" / "train", pixels, [safe[label] for label in labels])
    assert same(one(inner.parent, data), images, labels)
    with pytest.raises(CondenseError, match="'0_bee' is no class"):
        one(image_folder(tmp_path / "no", pixels, ["1_ant", "0_bee", "2", "2", "2", "2"]), data)


def test_huggingface_tables(tmp_path, data):
    images, labels = normalised(data)
    pixels, _ = pixels_of(data)
    names, soft = [CLASSES[label] for label in labels], [[0.5, 0.25, 0.25]] * 6
    assert same(one(huggingface(tmp_path / "a", pixels, names), data), images, labels)
    assert same(one(huggingface(tmp_path / "b", pixels, labels.tolist()), data), images, labels)
    assert same(one(huggingface(tmp_path / "c", pixels, labels.tolist(), "metadata.jsonl"), data), images, labels)
    found = one(huggingface(tmp_path / "d", pixels, soft, "metadata.jsonl"), data)
    assert torch.equal(found.set.labels, torch.tensor(soft)) and torch.equal(found.set.images, images)
    assert list(found.set.provenance.config["imported"]["files"]) == ["7 files"]


def test_grey_image_files_of_colour(tmp_path):
    grey = real_images(channels=1)
    images, labels = normalised(grey)
    pixels, _ = pixels_of(grey)
    folder = image_folder(tmp_path / "rgb", pixels.expand(-1, 3, -1, -1), [str(int(label)) for label in labels])
    found = one(folder, grey)
    assert same(found, images, labels) and "of three equal channels one was taken" in found.assumed
    torch.save([images[:, 0], labels], tmp_path / "flat.pt")
    assert same(one(tmp_path / "flat.pt", grey), images, labels)
    save_png(folder / "0" / "000.png", torch.zeros(3, 5, 6, dtype=torch.uint8))
    with pytest.raises(CondenseError, match=r"is 6x6, but 000.png is 6x5: a set has one size"):
        one(folder, grey)


def test_cifar100_of_mtt_is_normalised_as_cifar10(tmp_path, data):
    described = DataSet("cifar100", _called(data.train, "cifar100"), _called(data.test, "cifar100"))
    path = mtt(tmp_path / "run", *normalised(data))
    found = one(path, described, pixels="normalised")
    assert tuple(found.set.provenance.mean) == PUBLISHED["cifar10"].mean
    assert any("by the numbers of cifar10" in sentence for sentence in found.assumed)
    stated = one(path, described, pixels="normalised", mean=MEAN, std=STD).set.provenance
    assert (tuple(stated.mean), tuple(stated.std)) == (MEAN, STD)


def _called(images: LabelledImages, name: str) -> LabelledImages:
    return images.described_as(name, images.class_names, images.mean, images.std)


def test_images_normalised_twice_are_refused_unless_that_is_stated(tmp_path, data):
    images, labels = normalised(data)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (MEAN, STD))
    twice = (images - mean.float()[:, None, None]) / std.float()[:, None, None]
    torch.save([twice, labels], tmp_path / "a.pt")
    with pytest.raises(CondenseError, match="look normalised twice"):
        one(tmp_path / "a.pt", data, pixels="normalised")
    found = one(tmp_path / "a.pt", data, mean=tuple((mean + mean * std).tolist()), std=tuple((std**2).tolist())).set
    assert torch.equal(found.images, twice)
    assert torch.equal(found.pixels(), pixels_of(data)[0])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    for learned in (noise, 2 * noise, images + noise, 2 * images):  # as sets are that begin as noise, or move far
        torch.save([learned, labels], tmp_path / "a.pt")
        assert one(tmp_path / "a.pt", data).set.format_version == 1


def test_which_numbers_could_be_bytes():
    unit = torch.linspace(0, 1, 1000).reshape(1, 1, 10, 100)
    assert could_be_bytes(255 * unit) and could_be_bytes(255 * (1.02 * unit - 0.01)), "Learned and not clipped."
    assert not could_be_bytes(unit) and not could_be_bytes(300 * unit - 30) and not could_be_bytes(10 * unit)


@pytest.mark.parametrize("path", sorted((ROOT / "artifacts").glob("*/set.h5")), ids=lambda path: path.parent.name)
def test_numbers_of_released_sets_are_told_apart(path):
    """Learned images leave the range of pixels, most of them far; whichever way they are stored, it is asked or known."""
    learned = SyntheticSet.load(path)
    by = tuple(learned.provenance.mean), tuple(learned.provenance.std)
    mean, std = (torch.tensor(values)[:, None, None] for values in by)
    pixels = learned.images * std + mean

    def space(images: Tensor, stated: str | None = None, format_says: str | None = None) -> str:
        return Numbers("pair", stated, format_says, False, False, "a.pt", by, False).space(images)[0]

    assert space(learned.images) == space(learned.images, format_says="normalised") == "normalised"
    with pytest.raises(CondenseError, match="look normalised twice"):
        space((learned.images - mean) / std)
    for stored in (pixels, pixels.clamp(0, 1)):
        with pytest.raises(CondenseError, match="could be pixels from 0 to 1, or normalised"):
            space(stored)
        assert space(stored, "unit") == space(stored, format_says="unit") == "unit"
    for said in (("unit", None), (None, "unit")):
        with pytest.raises(CondenseError, match="pixels from 0 to 1"):
            space(learned.images, *said)


def test_a_set_that_does_not_say_its_network_trains_a_convnet(tmp_path, data):
    images, labels = normalised(data)
    torch.save([images, labels], tmp_path / "a.pt")
    found = one(tmp_path / "a.pt", data).set
    assert found.provenance.network == "unknown" and networks_of(EvaluateConfig(), found) == ("ConvNet",)
    assert networks_of(EvaluateConfig(), one(tmp_path / "a.pt", data, learned_with="LeNet").set) == ("LeNet",)


def test_what_is_foreign(tmp_path, data):
    images, labels = normalised(data)
    torch.save([images, labels], tmp_path / "a.pt")
    found = one(tmp_path / "a.pt", data).set
    found.save(tmp_path / "a.h5")
    (tmp_path / "b").write_bytes((tmp_path / "a.h5").read_bytes())
    (tmp_path / "text.h5").write_text("hello")
    names = {name: is_foreign(tmp_path / name) for name in ("a.pt", "a.h5", "b", "text.h5", "none.pt", "")}
    assert names == {"a.pt": True, "a.h5": False, "b": False, "text.h5": False, "none.pt": False, "": True}


def test_a_tensor_that_states_more_than_its_file_holds_is_not_believed(tmp_path, data):
    _, labels = normalised(data)
    torch.save([torch.zeros(1).expand(6, 3, 6, 2**20), labels], tmp_path / "a.pt")
    with pytest.raises(CondenseError, match="so much is not believed"):
        one(tmp_path / "a.pt", data)


def whitened(data: DataSet) -> SyntheticSet:
    """A set of condense with soft labels, a rate and a whitening."""
    zca = ZCA.fit(data.train.pixels / 255)
    hard = native(data)
    images = zca.apply(pixels_of(data)[0] / 255)
    labels = torch.nn.functional.one_hot(hard.labels).float() * 0.7 + 0.1
    return SyntheticSet(images, labels, hard.provenance, preprocessing=zca, learning_rate=0.03)


def native(data: DataSet) -> SyntheticSet:
    config = LearnConfig(dataset="noise.npz", network="MLP", ipc=2, method="random")
    return learn(config, data.train).set


@pytest.mark.parametrize(
    ("form", "file", "stated"),
    [
        ("vico", "res_*.pt", {}),
        ("mtt", "", {"pixels": "normalised"}),
        ("dd-ranking", "images.pt", {"pixels": "normalised"}),
        ("idc", "data.pt", {"format": "idc", "factor": 1}),
        ("dc-bench", "*_images.pt", {"pixels": "normalised"}),
        ("npz", "set.npz", {}),
        ("safetensors", "set.safetensors", {}),
        ("folder", "", {}),
        ("huggingface", "", {}),
    ],
)
def test_what_is_exported_comes_in_again(tmp_path, data, form, file, stated):
    whole = form in ("npz", "safetensors")
    if form == "safetensors":
        pytest.importorskip("safetensors")
    own = native(data)
    out = tmp_path / (file if whole else "out")
    export([own], form, out, lossy=True, tell=lambda sentence: None)
    path = next(out.rglob(file)) if "*" in file else out if whole else out / file
    found = one(path, data, **stated).set
    assert torch.allclose(found.images, own.images, atol=1e-5) and torch.equal(found.labels, own.labels)
    if form != "idc":  # pixels are rounded to float32 there
        assert found.sha256 == own.sha256
    if whole:
        assert found.provenance == own.provenance
        with pytest.raises(CondenseError, match="is a set of condense, which says it itself: leave --pixels out"):
            one(path, data, pixels="unit")
        with pytest.raises(CondenseError, match="learned from other images"):
            one(path, real_images(seed=5))


@pytest.mark.parametrize("form", ["mtt", "dd-ranking", "npz"])
def test_whitening_soft_labels_and_rate_come_in_again(tmp_path, data, form):
    own = whitened(data)
    out = tmp_path / ("set.npz" if form == "npz" else "out")
    export([own], form, out, lossy=True, tell=lambda sentence: None)
    found = one(out, data).set
    assert torch.equal(found.images, own.images) and torch.allclose(found.labels, own.labels, atol=1e-6)
    assert found.learning_rate == pytest.approx(0.03) and found.preprocessing is not None
    assert own.preprocessing is not None and torch.equal(found.preprocessing.matrix, own.preprocessing.matrix)
    soft = tmp_path / "pictures"
    export([own], "huggingface", soft, lossy=True, tell=lambda sentence: None)
    assert torch.equal(one(soft, data).set.labels, own.labels)
