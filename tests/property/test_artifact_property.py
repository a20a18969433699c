"""The artifact and the records, for any content; and no flipped byte of a file goes unnoticed."""

import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condense.decoding import IDENTITY, Tiles
from condense.errors import CondenseError
from condense.preprocessing import ZCA
from condense.record_settings import SETTINGS
from condense.records import Cost, Record, Task, append_record, config_hash, read_records
from condense.synthetic_set import Provenance, SyntheticSet
from condense.versions import Code

QUICK = settings(max_examples=50, deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WIDTH_32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
COUNTS = st.integers(0, 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.dictionaries(ANY_TEXT, JSON, max_size=4)
READ_AGAIN = {name for fields in SETTINGS.values() for name in fields.json_schema()["properties"]}
"""Settings that a reader of records checks."""


@st.composite
def synthetic_sets(draw: st.DrawFn) -> SyntheticSet:
    """Of format 1, and as often with some of what format 2 has more."""
    classes, each = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    extended = draw(st.booleans())
    counts = draw(st.lists(st.integers(1, each), min_size=classes - 1, max_size=classes - 1)) if extended else []
    counts = [each, *counts, *[each] * (classes - 1 - len(counts))]
    shape = (sum(counts), draw(st.sampled_from([1, 3])), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    values = draw(st.lists(WIDTH_32, min_size=1, max_size=20))
    images = torch.tensor(np.resize(np.array(values, np.float32), shape))
    if draw(st.booleans()):
        logits = torch.tensor(np.resize(np.array(values, np.float32), (shape[0], classes)))
        labels = logits.clamp(-3, 3).softmax(dim=1)  # rows of 0 and 1 would be hard labels
    else:
        labels = torch.tensor(draw(st.permutations([label for label in range(classes) for _ in range(counts[label])])))
    texts = {field.name: draw(TEXT) for field in fields(Provenance) if field.type in (str, "str")}
    provenance = Provenance(
        **texts,
        class_names=draw(st.lists(ANY_TEXT, min_size=classes, max_size=classes)),
        mean=draw(st.lists(NUMBERS, min_size=shape[1], max_size=shape[1])),
        std=draw(st.lists(st.floats(1e-300, 1e300), min_size=shape[1], max_size=shape[1])),
        images_per_class=each,
        seed=draw(COUNTS),
        iterations=draw(COUNTS),
        config=draw(CONFIGS),
        library_versions=draw(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3)),
    )
    return SyntheticSet(images, labels, provenance, **(draw(extensions(shape[1:])) if extended else {}))


@st.composite
def extensions(draw: st.DrawFn, shape: tuple[int, ...]) -> dict[str, Any]:
    """A decoder, a whitening and a learned rate for images of a shape, each there or not."""
    factors = st.integers(2, min(8, *shape[1:])) if min(shape[1:]) > 1 else st.nothing()
    greys = st.lists(WIDTH_32, min_size=1, max_size=1) | st.lists(WIDTH_32, min_size=shape[0], max_size=shape[0])
    tiles = st.builds(lambda factor, grey: Tiles(factor, tuple(grey)), factors, greys)
    size = int(np.prod(shape))
    values = np.array(draw(st.lists(WIDTH_32, min_size=1, max_size=20)), np.float32)
    mean, matrix = (torch.tensor(np.resize(values, sides)) for sides in (shape, (size, size)))
    return {
        "decoder": draw(st.just(IDENTITY) | tiles),
        "preprocessing": draw(st.sampled_from([None, ZCA(mean, matrix)])),
        "learning_rate": draw(st.none() | st.floats(0, exclude_min=True, allow_infinity=False)),
    }


def content(one: SyntheticSet) -> tuple[Any, ...]:
    """All of a set as values that are equal exactly when the sets are, zeros of either sign told apart."""
    tensors = [one.images, one.labels, *(one.preprocessing.tensors.values() if one.preprocessing else [])]
    arrays = [(tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes()) for tensor in tensors]
    return (*arrays, one.provenance, repr(one.decoder), one.learning_rate)


@QUICK
@given(synthetic_sets())
def test_a_set_survives_the_file_and_its_bytes_are_its_content(one: SyntheticSet) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second, third = (Path(folder, name) for name in ("a.h5", "b.h5", "c.h5"))
        one.save(first)
        one.save(second)
        loaded = SyntheticSet.load(first)
        loaded.save(third)
        assert content(loaded) == content(one)
        assert first.read_bytes() == second.read_bytes() == third.read_bytes()


@settings(max_examples=100, deadline=None)
@given(synthetic_sets(), st.lists(st.tuples(st.integers(0, 2**31), st.integers(1, 255)), min_size=8, max_size=8))
def test_any_changed_byte_is_noticed_or_does_no_harm(one: SyntheticSet, changes: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.h5")
        one.save(path)
        whole = path.read_bytes()
        for place, change in changes:
            flipped = bytearray(whole)
            flipped[place % len(whole)] ^= change
            path.write_bytes(flipped)
            assert noticed_or_harmless(path, one)


@settings(max_examples=100, deadline=None)
@given(synthetic_sets(), st.floats(0, 1, exclude_max=True))
def test_a_truncated_set_is_refused(one: SyntheticSet, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.h5")
        one.save(path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(CondenseError):
            SyntheticSet.load(path)


@QUICK
@given(synthetic_sets())
def test_the_identity_tells_formats_and_sets_apart(one: SyntheticSet) -> None:
    """What differs in anything that a network is trained on, or that comes with it, is another set."""
    others = [replace(one, learning_rate=rate) for rate in (0.5, 0.25, None)]
    if min(one.images.shape[2:]) > 1:
        others += [replace(one, decoder=Tiles(2, (grey,))) for grey in (7.0, 9.0)]
    names = {(repr(other.decoder), other.learning_rate): other.sha256 for other in (one, *others)}
    assert len(set(names.values())) == len(names)
    new = one.decoder != IDENTITY or one.preprocessing is not None or one.learning_rate is not None
    assert one.format_version == (2 if new or one.unequal else 1)
    assert one.soft or one.unequal == (len(set(one.counts)) > 1)


def noticed_or_harmless(path: Path, one: SyntheticSet) -> bool:
    try:
        return content(SyntheticSet.load(path)) == content(one)
    except CondenseError as error:
        return "\n" not in str(error)


@pytest.fixture(scope="module")
def real_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with what a real one has in its attributes."""
    random = torch.Generator().manual_seed(0)
    config = {"dataset": "digits", "network": "ConvNet", "ipc": 1, "image_learning_rate": 0.1, "train_size": None}
    names = [str(number) for number in range(10)]
    versions = {"python": "3.11.7", "torch": "2.6.0"}
    facts = ("digits", "f" * 64, names, [0.3], [0.3], 1, "dc", "ConvNet", 0, 10, config, "0.1.0", versions, "cpu", "fp32")
    path = tmp_path_factory.mktemp("set") / "set.h5"
    SyntheticSet(torch.randn(10, 1, 8, 8, generator=random), torch.arange(10), Provenance(*facts)).save(path)
    return path


def every_seventh(path: Path) -> Iterator[tuple[int, bytearray]]:
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        yield place, flipped


def test_flipped_bits_all_through_a_real_file(real_file: Path, tmp_path: Path) -> None:
    one, path = SyntheticSet.load(real_file), tmp_path / "flipped.h5"
    for place, flipped in every_seventh(real_file):
        path.write_bytes(flipped)
        assert noticed_or_harmless(path, one), f"the byte at {place}"


# Records


@st.composite
def records(draw: st.DrawFn) -> Record:
    seeds = draw(st.lists(COUNTS, max_size=4, unique=True))
    values: list[float | None] = [draw(st.none() | NUMBERS) for _ in seeds]
    accuracies: list[float | None] = [draw(st.floats(0, 1)) for _ in seeds]
    cost = Cost(
        wall_seconds=draw(st.floats(0, 1e18)),
        peak_memory_bytes=draw(st.none() | COUNTS),
        device=draw(ANY_TEXT),
        threads=draw(COUNTS),
        started_at=draw(ANY_TEXT),
        training_seconds=draw(st.none() | st.floats(0, 1e18)),
        estimate=draw(st.dictionaries(ANY_TEXT, COUNTS | st.floats(0, 1e18), max_size=2)),
    )
    return Record(
        task=draw(st.sampled_from(get_args(Task))),
        config={name: value for name, value in draw(CONFIGS).items() if name not in READ_AGAIN},
        seeds=seeds,
        metrics={"accuracy": accuracies, **({"loss": values} if draw(st.booleans()) else {})},
        cost=cost,
        code=Code.of(draw(ANY_TEXT), draw(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2)), draw(st.none() | ANY_TEXT)),
        series=draw(st.dictionaries(ANY_TEXT, st.lists(NUMBERS, max_size=3), max_size=2)),
        notes=draw(st.lists(ANY_TEXT, max_size=2)),
        diverged=draw(st.lists(st.sampled_from(seeds), max_size=2)) if seeds else [],
    )


@QUICK
@given(st.lists(records(), min_size=1, max_size=4))
def test_records_survive_the_file(some: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records.jsonl")
        for record in some:
            append_record(path, record)
        assert read_records(path) == some
        assert len(path.read_text().splitlines()) == len(some)


@QUICK
@given(CONFIGS, CONFIGS)
def test_configurations_have_the_same_hash_exactly_when_they_are_equal(one: dict, other: dict) -> None:
    assert (config_hash(one) == config_hash(other)) == (repr(sorted_deeply(one)) == repr(sorted_deeply(other)))
    assert config_hash(dict(reversed(one.items()))) == config_hash(one)


def sorted_deeply(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, sorted_deeply(value[key])) for key in sorted(value)]
    return [sorted_deeply(item) for item in value] if isinstance(value, list) else value
