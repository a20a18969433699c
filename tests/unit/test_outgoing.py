"""Sets as other programs read them: files are read back as each consumer does, from its described layout."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from report_samples import evaluated
from torch import Tensor
from torch.nn import functional as F
from torchvision.datasets import ImageFolder

from condense import files
from condense.decoding import IDENTITY, Decoder, Tiles
from condense.errors import CondenseError
from condense.formats.described import described, set_of
from condense.formats.outgoing import FORMS, export
from condense.formats.outgoing.card import yaml_text
from condense.formats.outgoing.consumers import CIFAR, CIFAR100, logits
from condense.formats.outgoing.pictures import folders_of
from condense.preprocessing import ZCA
from condense.provenance import Provenance
from condense.synthetic_set import SyntheticSet

NAMES = ("cat", "dog", "emu")


def made(
    dataset: str = "cifar10",
    *,
    labels: Tensor | None = None,
    names: Sequence[str] = NAMES,
    each: int = 2,
    channels: int = 3,
    statistics: tuple[Sequence[float], Sequence[float]] = CIFAR,
    method: str = "dc",
    seed: int = 0,
    decoder: Decoder = IDENTITY,
    whitened: bool = False,
    rate: float | None = None,
    side: int = 4,
    eight_bits: bool = False,
) -> SyntheticSet:
    """A small set of random images, most of which are beyond black and white in places."""
    random = torch.Generator().manual_seed(seed)
    found = torch.arange(len(names)).repeat_interleave(each) if labels is None else labels
    mean, std = (list(values)[:channels] for values in statistics)
    images = torch.randn((len(found), channels, side, side), generator=random)
    if eight_bits:
        pixels = torch.randint(0, 256, images.shape, generator=random) / 255
        images = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    whitening = None
    if whitened:
        matrix = torch.eye(channels * side**2) * 2 + 0.01
        whitening = ZCA(torch.full((channels, side, side), 0.5), matrix)
    facts = Provenance(
        dataset=dataset,
        dataset_fingerprint="f" * 64,
        class_names=list(names),
        mean=mean,
        std=std,
        images_per_class=each,
        method=method,
        network="ConvNet",
        seed=seed,
        iterations=7,
        config={"dataset": dataset, "schedule": "fast"},
        code_version="0.1.0",
        library_versions={"torch": "2.6.0"},
        device="cpu",
        precision="fp32",
    )
    return SyntheticSet(images, found, facts, decoder, whitening, rate)


def soft(seed: int = 0, count: int = 6) -> Tensor:
    """Probabilities of three classes, some of them 0; class by class."""
    drawn = torch.rand((count, 3), generator=torch.Generator().manual_seed(seed)) / 4
    drawn[torch.arange(count), torch.arange(count) * 3 // count] += 1
    drawn[0, 2] = 0
    return drawn / drawn.sum(dim=1, keepdim=True)


def read(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# VICO's list


def test_vico_lists_every_set_exactly_and_accuracies_as_python_numbers(tmp_path: Path) -> None:
    sets = [made(seed=seed) for seed in range(3)]
    records = [evaluated([0.25, 0.5], sha256=one.sha256, dataset="cifar10") for one in sets]
    records += [
        evaluated([0.75], sha256=sets[0].sha256, network="MLP"),
        evaluated([1.0], protocol="dsa", sha256=sets[0].sha256),
    ]
    export(sets, "vico", tmp_path / "result", records=[*records, evaluated([0.1], sha256="other")])
    assert names_in(tmp_path / "result") == [
        "res_DC_CIFAR10_ConvNet_2ipc.pt",
        *(f"vis_DC_CIFAR10_ConvNet_2ipc_exp{number}_iter7.png" for number in range(3)),
    ]
    content = read(tmp_path / "result" / "res_DC_CIFAR10_ConvNet_2ipc.pt")
    assert content["accs_all_exps"] == {"ConvNet": [0.25, 0.5] * 3, "MLP": [0.75]}
    assert all(type(accuracy) is float for accuracies in content["accs_all_exps"].values() for accuracy in accuracies)
    assert len(content["data"]) == 3
    for (images, labels), one in zip(content["data"], sets, strict=True):
        assert images.dtype == torch.float32 and torch.equal(images, one.images)
        assert labels.dtype == torch.int64 and labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_vico_may_be_a_single_file_that_equal_sets_write_equally(tmp_path: Path) -> None:
    export(made(), "vico", tmp_path / "a.pt")
    export(made(), "vico", tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert read(tmp_path / "a.pt")["accs_all_exps"] == {"ConvNet": []}
    assert names_in(tmp_path) == ["a.pt", "b.pt"]


def test_vico_leaves_networks_that_diverged_out_and_takes_the_protocol_of_its_code(tmp_path: Path) -> None:
    one = made(method="dm")
    diverged = replace(evaluated([0.1, 0.5], protocol="dsa", sha256=one.sha256), diverged=[0])
    export(one, "vico", tmp_path / "a.pt", records=[diverged, evaluated([0.9], sha256=one.sha256)])
    assert read(tmp_path / "a.pt")["accs_all_exps"] == {"ConvNet": [0.5]}


def test_images_are_written_class_by_class_in_their_order(tmp_path: Path) -> None:
    one = made(labels=torch.tensor([2, 0, 1, 0, 2, 1]))
    export(one, "vico", tmp_path / "a.pt")
    ((images, labels),) = read(tmp_path / "a.pt")["data"]
    assert labels.tolist() == [0, 0, 1, 1, 2, 2] and torch.equal(images, one.images[[1, 3, 2, 5, 0, 4]])


def test_the_picture_shows_a_class_in_a_row(tmp_path: Path) -> None:
    one = made()
    export(one, "vico", tmp_path / "result")
    picture = np.asarray(Image.open(next((tmp_path / "result").glob("vis*.png"))))
    assert picture.shape == (3 * (4 + 2) + 2, 2 * (4 + 2) + 2, 3)
    assert np.array_equal(picture[8:12, 8:12], one.pixels()[3].permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({}, "Sets 1 and 2 are the same;"),
        ({"seed": 1, "method": "dm"}, "Sets 1 and 2 differ in method ('dc' and 'dm');"),
        ({"seed": 1, "each": 1}, "Sets 1 and 2 differ in images_per_class (2 and 1);"),
        ({"seed": 1, "side": 6}, "Sets 1 and 2 differ in the size of their images"),
    ],
)
def test_a_list_is_of_repetitions_of_one_experiment(tmp_path: Path, other: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CondenseError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        export([made(), made(**other)], "vico", tmp_path / "a.pt")
    assert names_in(tmp_path) == []


# Tensors in a consumer's own normalisation


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("vico", "res_DC_CIFAR100_ConvNet_2ipc.pt"),
        ("dc-bench", "DC/CIFAR100/IPC2/res_DC_CIFAR100_ConvNet_2ipc.pt"),
        ("mtt", "images_best.pt"),
        ("dd-ranking", "images.pt"),
    ],
)
def test_images_are_in_the_normalisation_of_whoever_reads_them(tmp_path: Path, to: str, name: str) -> None:
    one, told = made("cifar100", statistics=CIFAR100), list[str]()
    export(one, to, tmp_path / "out", tell=told.append)
    content = read(tmp_path / "out" / name)
    images = content if isinstance(content, Tensor) else content["data"][-1][0]
    if to in ("vico", "dc-bench"):
        assert torch.equal(images, one.images)
    else:  # CIFAR-100 by the mean and std of CIFAR-10
        mean, std = (torch.tensor(values)[:, None, None] for values in CIFAR)
        own_mean, own_std = (torch.tensor(values)[:, None, None] for values in CIFAR100)
        torch.testing.assert_close(images * std + mean, one.images * own_std + own_mean, atol=1e-6, rtol=0)
        assert any("normalised anew" in sentence and "0.4914 0.4822 0.4465" in sentence for sentence in told)


def test_mtt_reads_soft_labels_as_logits_and_the_rate_of_the_set(tmp_path: Path) -> None:
    one = made(labels=soft(), rate=0.0123456789)
    export(one, "mtt", tmp_path / "out")
    assert names_in(tmp_path / "out") == ["images_best.pt", "labels_best.pt", "lr_best.pt"]
    images, labels, rate = (read(tmp_path / "out" / f"{name}_best.pt") for name in ("images", "labels", "lr"))
    assert torch.equal(images, one.images) and rate.shape == () and rate.item() == one.learning_rate
    probabilities = labels.softmax(dim=1)
    torch.testing.assert_close(probabilities, one.labels, atol=1e-6, rtol=0)
    assert torch.isfinite(labels).all() and probabilities[0, 2] == 0 == one.labels[0, 2]


def test_a_rate_of_float32_is_written_as_such(tmp_path: Path) -> None:
    export(made(rate=0.25), "mtt", tmp_path / "out")
    assert read(tmp_path / "out" / "lr_best.pt").dtype == torch.float32


def test_mtt_gets_whitened_images_with_the_pixels_that_its_code_saves_beside_them(tmp_path: Path) -> None:
    one = made(whitened=True)
    with pytest.raises(CondenseError, match="mtt would lose the set's own whitening"):
        export(one, "mtt", tmp_path / "out")
    export(one, "mtt", tmp_path / "out", lossy=True)
    assert torch.equal(read(tmp_path / "out" / "images_best.pt"), one.images)
    assert one.preprocessing is not None
    expected = one.preprocessing.invert(one.images).float()
    assert torch.equal(read(tmp_path / "out" / "images_zca_7.pt"), expected)
    kept = read(tmp_path / "out" / "zca_best.pt")
    assert torch.equal(kept["mean"], one.preprocessing.mean) and torch.equal(kept["matrix"], one.preprocessing.matrix)
    export(one, "dd-ranking", tmp_path / "ranked", lossy=True)
    assert names_in(tmp_path / "ranked") == ["images.pt", "labels.pt", "zca.pt"]


def test_a_whitening_is_undone_for_codes_that_have_none(tmp_path: Path) -> None:
    one = made(whitened=True)
    export(one, "vico", tmp_path / "a.pt", lossy=True)
    ((images, _),) = read(tmp_path / "a.pt")["data"]
    mean, std = (torch.tensor(values)[:, None, None] for values in CIFAR)
    assert torch.equal((images * std + mean).mul(255).round().clamp(0, 255).byte(), one.pixels())


def test_dd_ranking_reads_hard_labels_logits_and_rate(tmp_path: Path) -> None:
    export(made(), "dd-ranking", tmp_path / "hard")
    assert names_in(tmp_path / "hard") == ["images.pt", "labels.pt"]
    assert read(tmp_path / "hard" / "labels.pt").tolist() == [0, 0, 1, 1, 2, 2]
    one = made(labels=soft(), rate=0.5)
    export(one, "dd-ranking", tmp_path / "soft")
    assert read(tmp_path / "soft" / "lr.pt").item() == 0.5
    torch.testing.assert_close(F.softmax(read(tmp_path / "soft" / "labels.pt"), dim=1), one.labels, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ([0, 0, 0, 2, 4], "how many images each class has (1 to 3; it takes equally many)"),
        ([5, 5, 5, 5, 1, 1], "the classes of 6 of 6 images (it gives hard labels by place)"),
    ],
)
def test_dd_ranking_numbers_images_of_soft_labels_by_place(tmp_path: Path, order: list[int], sentence: str) -> None:
    with pytest.raises(CondenseError) as raised:
        export(made(labels=soft()[order]), "dd-ranking", tmp_path / "out")
    assert f"dd-ranking would lose {sentence}" in str(raised.value)


@pytest.mark.parametrize("to", ["mtt", "dd-ranking"])
def test_soft_labels_that_name_other_classes_than_their_place_stay_there(tmp_path: Path, to: str) -> None:
    one, told = made(labels=soft()[[2, 0, 2, 3, 4, 5]], decoder=Tiles(2)), list[str]()
    export(one, to, tmp_path / "out", lossy=True, tell=told.append)
    images = read(next((tmp_path / "out").glob("images*.pt")))
    decoded = one.decoded()[0].unflatten(0, (4, 6)).transpose(0, 1).flatten(0, 1)
    assert torch.equal(images, decoded)
    assert any(sentence.startswith("4 of 24 images have a likeliest class") for sentence in told) is (to == "dd-ranking")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("dsa", ["DSA/CIFAR10/IPC2/res_DSA_CIFAR10_ConvNet_2ipc.pt"]),
        ("datm", ["TM/CIFAR10/IPC2/images_best.pt", "TM/CIFAR10/IPC2/labels_best.pt"]),
        ("dance", ["TM/CIFAR10/IPC2/images_best.pt", "TM/CIFAR10/IPC2/labels_best.pt"]),
        (
            "random",
            [f"random/CIFAR10/IPC2/CIFAR10_IPC2_normalize_{part}.pt" for part in ("images", "labels")],
        ),
        ("kmeans", [f"Kmeans/CIFAR10/IPC2/CIFAR10_IPC2_{part}.pt" for part in ("images", "labels")]),
    ],
)
def test_dc_bench_finds_every_method_where_it_looks(tmp_path: Path, method: str, expected: list[str]) -> None:
    one, told = made(method=method), list[str]()
    export(one, "dc-bench", tmp_path / "out", tell=told.append)
    assert names_in(tmp_path / "out") == expected
    if len(expected) == 1:
        images, labels = read(tmp_path / "out" / expected[0])["data"][-1]
    else:
        images, labels = (read(tmp_path / "out" / name) for name in expected)
    assert torch.equal(images, one.images) and labels.dtype == torch.int64
    assert any("knows no method 'dance'" in sentence for sentence in told) is (method == "dance")
    assert told[-1].startswith(f"It is read with --method {expected[0].split('/')[0].lower()} --dataset CIFAR10 --ipc 2")


# IDC


def _as_idc_decodes(images: Tensor, factor: int) -> Tensor:
    """Its description: padded by 0.5 at the right and below, cut into tiles row by row, each enlarged bilinearly."""
    side = images.shape[-1]
    padded = F.pad(images, (0, -side % factor, 0, -side % factor), value=0.5)
    cut = padded.shape[-1] // factor
    corners = [(row * cut, column * cut) for row in range(factor) for column in range(factor)]
    tiles = torch.cat([padded[..., top : top + cut, left : left + cut] for top, left in corners])
    return F.interpolate(tiles, size=side, mode="bilinear")


@pytest.mark.parametrize(("side", "factor"), [(4, 2), (5, 2), (5, 3)])
def test_idc_decodes_and_normalises_to_what_networks_are_trained_on_here(tmp_path: Path, side: int, factor: int) -> None:
    mean, std = (torch.tensor(values)[:, None, None] for values in CIFAR)
    grey = tuple(((0.5 - mean) / std).flatten().tolist())
    one, told = made(decoder=Tiles(factor, grey), side=side), list[str]()
    export(one, "idc", tmp_path / "out", tell=told.append)
    pixels, labels = read(tmp_path / "out" / "data.pt")
    assert pixels.dtype == torch.float32 and labels.dtype == torch.int64 and len(pixels) == len(one.images)
    torch.testing.assert_close((_as_idc_decodes(pixels, factor) - mean) / std, one.decoded()[0], atol=1e-5, rtol=0)
    assert labels.repeat(factor**2).tolist() == one.decoded()[1].tolist()
    assert told[-1].startswith(f"It is read with -d cifar10 -f {factor} --ipc 2")
    assert any("beyond black and white" in sentence for sentence in told)


@pytest.mark.parametrize("decoder", [Tiles(2, (9.0,)), Tiles(3, (0.5,))])
def test_idc_gets_decoded_images_where_its_code_would_decode_otherwise(tmp_path: Path, decoder: Tiles) -> None:
    one = made(decoder=decoder, side=5)
    with pytest.raises(CondenseError, match=r"idc would lose the decoder, tiles of factor \d"):
        export(one, "idc", tmp_path / "out")
    export(one, "idc", tmp_path / "out", lossy=True)
    pixels, labels = read(tmp_path / "out" / "data.pt")
    assert len(pixels) == len(labels) == 6 * decoder.multiple


def test_idc_leaves_images_out_where_classes_are_unequal(tmp_path: Path) -> None:
    unequal = torch.tensor([0, 0, 0, 1, 2])
    with pytest.raises(CondenseError, match="the last 2 images, which its code leaves out"):
        export(made(labels=unequal, each=3, decoder=Tiles(2)), "idc", tmp_path / "out")
    export(made(labels=unequal, each=3), "idc", tmp_path / "out")


# What is lost


LOSSES: dict[str, dict[str, Any]] = {
    "soft labels": {"labels": soft()},
    "the decoder": {"decoder": Tiles(2, (9.0,)), "side": 5},
    "the learned rate 0.125": {"rate": 0.125},
    "whitening": {"whitened": True},
    "the normalisation (mean 0.4914 0.4822 0.4465, std": {"dataset": "birds/"},
    "float32 pixels": {},
    "beyond black and white": {},
}
HELD = {
    "vico": (),
    "dc-bench": (),
    "idc": ("the normalisation",),
    "mtt": ("soft labels", "the learned rate"),
    "dd-ranking": ("soft labels", "the learned rate"),
    "npz": tuple(LOSSES),
    "folder": ("the normalisation",),
    "huggingface": ("soft labels", "the normalisation"),
}


@pytest.mark.parametrize("to", HELD)
@pytest.mark.parametrize("lost", LOSSES)
def test_what_has_no_place_is_named_and_nothing_is_written_without_lossy(tmp_path: Path, to: str, lost: str) -> None:
    pictures = to in ("folder", "huggingface")
    of_pictures = lost in ("float32 pixels", "beyond black and white")
    expected = of_pictures == pictures if of_pictures else not lost.startswith(HELD[to] or ("?",))
    one = made(**LOSSES[lost], eight_bits=pictures and not of_pictures)
    if lost == "whitening" and pictures:
        pytest.skip("pixels that were whitened are never of 8 bits")
    out, told = tmp_path / ("a.npz" if to == "npz" else "out"), list[str]()
    if expected:
        with pytest.raises(CondenseError) as raised:
            export(one, to, out, tell=told.append)
        assert (
            lost in str(raised.value) and str(raised.value).startswith(f"{to} would lose ") and "\n" not in str(raised.value)
        )
        assert list(tmp_path.iterdir()) == [] and told == []
        export(one, to, out, lossy=True, tell=told.append)
        assert any(lost in sentence for sentence in told if sentence.startswith("Lost: "))
    else:
        export(one, to, out, tell=told.append)
        assert not any(lost in sentence for sentence in told if sentence.startswith("Lost: "))
    assert out.exists()


def test_one_sentence_names_everything(tmp_path: Path) -> None:
    one = made("birds/", labels=soft(), decoder=Tiles(2), rate=0.5)
    with pytest.raises(CondenseError) as raised:
        export([one, made(seed=1)], "dc-bench", tmp_path / "out")
    for lost in ("1 of the 2 sets", "the decoder", "the normalisation", "soft labels", "the learned rate 0.5"):
        assert lost in str(raised.value)


def test_soft_labels_of_a_single_class_each_are_hard_ones(tmp_path: Path) -> None:
    export(made(labels=F.one_hot(torch.arange(3).repeat_interleave(2)).float()), "vico", tmp_path / "a.pt")
    assert read(tmp_path / "a.pt")["data"][0][1].tolist() == [0, 0, 1, 1, 2, 2]


def test_the_first_of_several_sets_is_the_one_that_is_kept(tmp_path: Path) -> None:
    first, second = made(), made(seed=1)
    export([first, second], "mtt", tmp_path / "out", lossy=True)
    assert torch.equal(read(tmp_path / "out" / "images_best.pt"), first.images)


def test_logits_give_the_probabilities_back() -> None:
    given = torch.tensor([[0.0, 1.0], [0.5, 0.5], [1e-30, 1 - 1e-30]])
    torch.testing.assert_close(logits(given).softmax(dim=1), given, atol=1e-7, rtol=1e-5)


# Whole sets


def whole_sets() -> dict[str, SyntheticSet]:
    return {
        "plain": made(),
        "everything": made(labels=soft(), decoder=Tiles(2, (0.25,)), whitened=True, rate=0.1),
        "unequal": made(labels=torch.tensor([0, 0, 1, 2]), names=["a/b", "é" * 30, ""]),
    }


@pytest.mark.parametrize("name", whole_sets())
def test_npz_gives_the_same_set_back(tmp_path: Path, name: str) -> None:
    one = whole_sets()[name]
    export(one, "npz", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        arrays = {key: torch.from_numpy(found[key]) for key in found.files if found[key].dtype.kind in "fi"}
        back = set_of(arrays, str(found["condense"]), "a.npz")
        assert found["class_names"].tolist() == one.provenance.class_names
        assert found["mean"].tolist() == one.provenance.mean and found["std"].tolist() == one.provenance.std
        assert np.array_equal(found["images"], one.images.numpy()) and np.array_equal(found["labels"], one.labels.numpy())
    assert back.to_bytes() == one.to_bytes()


@pytest.mark.parametrize("name", whole_sets())
def test_safetensors_gives_the_same_set_back(tmp_path: Path, name: str) -> None:
    pytest.importorskip("safetensors")
    one = whole_sets()[name]
    export(one, "safetensors", tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    kinds = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}

    def array(value: dict[str, Any]) -> Tensor:
        first, last = (8 + size + offset for offset in value["data_offsets"])
        return torch.from_numpy(np.frombuffer(content[first:last], kinds[value["dtype"]]).reshape(value["shape"]).copy())

    arrays = {key: array(value) for key, value in header.items() if key != "__metadata__"}
    assert set_of(arrays, header["__metadata__"]["condense"], "a.safetensors").to_bytes() == one.to_bytes()


def test_safetensors_that_is_not_installed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors.torch", None)
    with pytest.raises(CondenseError, match="needs the package safetensors, which is not installed here"):
        export(made(), "safetensors", tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda arrays, text: (arrays, "{"), "is no JSON"),
        (lambda arrays, text: (arrays, "[]"), "is no JSON object"),
        (lambda arrays, text: (arrays, text.replace('"seed"', '"sea"')), "damaged: it has no seed"),
        (lambda arrays, text: ({"images": arrays["images"]}, text), "damaged: it has no labels"),
        (lambda arrays, text: (arrays | {"images": arrays["images"] + 1}, text), "do not match the stored SHA-256"),
        (lambda arrays, text: (arrays, text.replace('"format_version": 1', '"format_version": 3')), "has no decoder"),
        (lambda arrays, text: (arrays | {"images": arrays["images"].double()}, text), "must hold float32 images"),
    ],
)
def test_what_is_no_set_any_more_is_told(change: Callable[..., Any], sentence: str) -> None:
    arrays, text = change(*described(made()))
    with pytest.raises(CondenseError, match=sentence) as raised:
        set_of(arrays, text, "a.npz")
    assert str(raised.value).startswith("a.npz")


# Pictures


def test_a_folder_is_read_by_torchvision_with_real_names_of_classes(tmp_path: Path) -> None:
    one = made(eight_bits=True)
    export(one, "folder", tmp_path / "out")  # real images of 8 bits lose nothing
    found = ImageFolder(tmp_path / "out")
    assert found.classes == list(NAMES) and found.targets == [0, 0, 1, 1, 2, 2]
    assert names_in(tmp_path / "out")[:3] == ["README.md", "cat/0000.png", "cat/0001.png"]
    pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image, _ in found])
    assert torch.equal(pixels, one.pixels())
    mean, std = (torch.tensor(values)[:, None, None] for values in CIFAR)
    torch.testing.assert_close((pixels / 255 - mean) / std, one.images, atol=1e-5, rtol=0)


def test_grey_images_are_grey(tmp_path: Path) -> None:
    export(made("mnist", channels=1, statistics=([0.13], [0.31])), "folder", tmp_path / "out", lossy=True)
    assert Image.open(tmp_path / "out" / "cat" / "0001.png").mode == "L"


def test_hugging_face_reads_numbers_names_and_soft_labels(tmp_path: Path) -> None:
    one = made(labels=soft(), names=["emu", "cat", "dog"], decoder=Tiles(2))
    export(one, "huggingface", tmp_path / "out", lossy=True)
    lines = [json.loads(line) for line in (tmp_path / "out" / "train" / "metadata.jsonl").read_text().splitlines()]
    pixels, labels = one.decoded_pixels()
    assert len(lines) == len(labels) == 24
    assert {line["class"]: line["label"] for line in lines} == {"emu": 0, "cat": 1, "dog": 2}
    seen = {}
    for line in lines:
        image = np.asarray(Image.open(tmp_path / "out" / "train" / line["file_name"]))
        seen.setdefault(image.tobytes(), []).append(line["probabilities"])
    for image, label in zip(pixels, labels, strict=True):
        assert label.tolist() in seen[image.permute(1, 2, 0).numpy().tobytes()]


def test_a_folder_numbers_classes_by_name_which_is_said(tmp_path: Path) -> None:
    one = made(names=["emu", "cat", "dog"], eight_bits=True)
    with pytest.raises(CondenseError, match="the numbers of the classes"):
        export(one, "folder", tmp_path / "out")
    export(one, "huggingface", tmp_path / "out")


def test_a_class_that_no_soft_label_names_has_no_folder_which_is_said(tmp_path: Path) -> None:
    one = made(labels=soft()[[0, 1, 2, 3]], eight_bits=True)
    with pytest.raises(CondenseError, match=r"classes that no image is likeliest of \(emu\)"):
        export(one, "folder", tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["T-shirt/top", "Ankle boot"], ["T-shirt-top", "Ankle boot"]),
        (["a/b", "a:b"], ["0_a-b", "1_a-b"]),
        (["Cat", "cat"], ["0_Cat", "1_cat"]),
        ([".hidden", "..", "", " ", "a."], ["_hidden", "0", "", "", ""]),
        (["con", "é"], ["_con", "é"]),
        (["line\nbreak", 'quo"te'], ["line-break", "quo-te"]),
    ],
)
def test_folders_have_the_names_of_classes_as_far_as_folders_can(names: list[str], folders: list[str]) -> None:
    found = folders_of(names)
    assert len({name.casefold() for name in found}) == len(names)
    assert all(name and name not in (".", "..") and "/" not in name and not name.startswith(".") for name in found)
    if "" not in folders:
        assert found == folders
    with pytest.raises(CondenseError, match="cannot be a folder"):
        folders_of(["é" * 200])


# The card


def text_of(tmp_path: Path, one: SyntheticSet, **more: Any) -> str:
    export(one, "huggingface", tmp_path / "out", lossy=True, **more)
    return (tmp_path / "out" / "README.md").read_text()


def test_a_card_states_what_is_known_and_invents_nothing(tmp_path: Path) -> None:
    one = made(rate=0.5)
    text = text_of(tmp_path, one, licence="CC-BY-4.0")
    assert text.startswith('---\npretty_name: "cifar10, 2 images per class, by dc"\nlicense: "cc-by-4.0"\n')
    for stated in (
        "No privacy guarantee",
        one.sha256,
        "f" * 64,
        "CC-BY-4.0",
        "cat, dog, emu",
        "0.5",
        "Zhao",
        "condense 0.1.0",
    ):
        assert stated in text
    assert "No records came with this set, so no accuracy is stated." in text
    assert "float32 pixels" in text.split("Not in these files")[1]


def test_accuracies_are_those_of_the_records_with_their_number(tmp_path: Path) -> None:
    one = made()
    records = [evaluated([0.5, 0.7], sha256=one.sha256, dataset="cifar10"), evaluated([0.9], sha256="b")]
    text = text_of(tmp_path, one, records=records)
    (row,) = [line for line in text.splitlines() if line.startswith("| cifar10 |")]
    assert "| published |" in row and "60.0 ± 10.0" in row and "| 2 |" in row and "90.0" not in text


def test_selected_images_are_called_what_they_are(tmp_path: Path) -> None:
    text = text_of(tmp_path, made("birds/", method="random"), licence="my own words: ask me")
    assert "These are real training images" in text and 'license: "other"' in text and "my own words: ask me" in text


def test_a_card_is_read_by_hugging_face(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    text_of(tmp_path, made('my "birds": é\x85\u2028\U000e0001 # {a}', names=["a|b", "<c>", "d"]))
    found = hub.DatasetCard.load(tmp_path / "out" / "README.md")
    assert found.data.license == "unknown" and found.data.task_categories == ["image-classification"]
    assert found.data.pretty_name.startswith('my "birds": é\x85\u2028\U000e0001 # {a}')
    assert found.text.startswith("\n# my") or found.text.startswith("# my")


def test_any_text_is_one_line_of_yaml() -> None:
    assert yaml_text('a"b\\\n\x85\u2028\U000e0001é') == '"a\\"b\\\\\\n\\u0085\\u2028\\U000e0001é"'


def test_records_of_other_sets_alone_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(CondenseError, match="None of the records given is an evaluation of a set to be exported"):
        export(made(), "vico", tmp_path / "a.pt", records=[evaluated([0.5])])


def test_what_a_form_has_no_place_for_is_not_taken(tmp_path: Path) -> None:
    one = made()
    with pytest.raises(CondenseError, match="npz has no place for accuracies: leave --records out"):
        export(one, "npz", tmp_path / "a.npz", records=[evaluated([0.5], sha256=one.sha256)])
    with pytest.raises(CondenseError, match="vico has no card to state a licence in"):
        export(one, "vico", tmp_path / "a.pt", licence="mit")


def test_a_card_is_of_the_set_that_is_written(tmp_path: Path) -> None:
    sets = [made(), made(seed=1)]
    records = [evaluated([value], sha256=one.sha256, dataset="cifar10") for value, one in zip((0.5, 0.9), sets, strict=True)]
    export(sets, "huggingface", tmp_path / "out", lossy=True, records=records)
    assert "90.0" not in (tmp_path / "out" / "README.md").read_text()


# Targets


@pytest.mark.parametrize("to", ["vico", "npz", "folder"])
@pytest.mark.parametrize("kind", ["file", "empty folder", "link to nowhere"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, to: str, kind: str) -> None:
    out = tmp_path / ("a.npz" if to == "npz" else "out")
    if kind == "file":
        out.write_text("mine")
    elif kind == "empty folder":
        out.mkdir()
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(CondenseError, match="exists already, and is never overwritten"):
        export(made(), to, out, lossy=True)
    assert [path.name for path in tmp_path.iterdir()] == [out.name] and (kind != "file" or out.read_text() == "mine")


@pytest.mark.parametrize(
    ("to", "name", "sentence"),
    [
        ("npz", "a", "the name of the file must end in .npz"),
        ("npz", "a.pt", "the name of the file must end in .npz"),
        ("mtt", "a.pt", "mtt is a folder, whose name does not end in .pt"),
        ("vico", "a.npz", "vico is a folder, whose name does not end in .npz"),
        ("vicco", "a.pt", "Unknown form of export 'vicco'. Did you mean 'vico'?"),
    ],
)
def test_targets_are_called_what_they_are(tmp_path: Path, to: str, name: str, sentence: str) -> None:
    with pytest.raises(CondenseError, match=sentence.replace("?", r"\?")):
        export(made(), to, tmp_path / name, lossy=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 3])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    calls = []

    def fsync(number: int) -> None:
        calls.append(number)
        if len(calls) > at:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(CondenseError, match=r"Cannot write .*out: No space left on device. Nothing that was there"):
        export(made(), "folder", tmp_path / "out", lossy=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def later(source: Path, target: Path) -> None:
        target.mkdir()
        (target / "mine").write_text("mine")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", later)
    with pytest.raises(CondenseError, match="Cannot write"):
        export(made(), "mtt", tmp_path / "out")
    assert names_in(tmp_path) == ["out/mine"]


def test_every_form_writes_the_same_twice(tmp_path: Path) -> None:
    for to, form in FORMS.items():
        if to == "safetensors":
            continue
        for number in (1, 2):
            export(made(), to, tmp_path / f"{to}-{number}{'' if form.folder else form.suffix}", lossy=True)
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    first = {name.replace("-1", "-2", 1): data for name, data in written.items() if "-1" in name}
    assert first == {name: data for name, data in written.items() if "-2" in name} and len(first) > 20
