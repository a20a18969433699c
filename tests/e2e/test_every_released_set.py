"""Every set that was ever released can still be loaded, evaluated and tabulated."""

from functools import cache
from pathlib import Path

import pytest

from condense.config import EvaluateConfig
from condense.data.catalog import load
from condense.report.tables import accuracy_table
from condense.stage_t.evaluate import evaluate
from condense.stage_t.protocols import Protocol
from condense.synthetic_set import SyntheticSet

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
SETS = sorted(ARTIFACTS.rglob("*.h5"))


SHORT = Protocol(name="short", learning_rate=0.01, momentum=0.9, epochs=100)
loaded = cache(lambda name, root: load(name, data_root=root))


def test_they_are_found() -> None:
    assert len(SETS) >= 30


@pytest.mark.parametrize("path", SETS, ids=lambda path: str(path.relative_to(ARTIFACTS)))
def test_it_loads_and_says_what_it_is(path: Path) -> None:
    released = SyntheticSet.load(path)
    facts = released.provenance
    assert len(released.images) == len(facts.class_names) * facts.images_per_class
    assert released.pixels().shape == released.images.shape


@pytest.mark.parametrize("path", SETS, ids=lambda path: str(path.relative_to(ARTIFACTS)))
def test_it_would_be_written_as_it_is(path: Path) -> None:
    """In format 1, byte for byte, under the digest that records name it by."""
    released = SyntheticSet.load(path)
    assert released.format_version == 1
    assert released.to_bytes() == path.read_bytes()


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("path", SETS, ids=lambda path: str(path.relative_to(ARTIFACTS)))
def test_it_can_be_evaluated_and_tabulated(path: Path, real_data: Path) -> None:
    released = SyntheticSet.load(path)
    if released.provenance.dataset not in ("mnist", "fashion-mnist", "cifar10"):
        pytest.fail(f"{released.provenance.dataset} is a data set that this test does not know.")
    data = loaded(released.provenance.dataset, real_data)
    records = list(evaluate(EvaluateConfig(network=("MLP",), protocol=SHORT, seeds=1), released, data))
    table = accuracy_table(records)
    assert table.rows[0][:2] == (released.provenance.dataset, str(released.provenance.images_per_class))
    assert records[0].accuracies[0] > 0.12, "A network trained on the set knows no more than chance."
