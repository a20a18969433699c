"""`load_set`, and `import condense`, in processes that do without PyTorch; tables as data frames."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import condense
from condense import CondenseError, SyntheticSet, load_set
from condense.decoding import Tiles
from condense.preprocessing import ZCA
from condense.report.rendering import Table

LACKING = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {allowed!r} and name.partition(".")[0] not in sys.stdlib_module_names:
            raise ImportError(f"{{name}} is not there")
sys.meta_path.insert(0, Lacking())
"""


def without(allowed: tuple[str, ...], code: str, *words: object) -> str:
    """What code prints in a process that can import these packages alone, beside the standard library."""
    program = LACKING.format(allowed=("condense", *allowed)) + code
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_set(data: Any, **given: Any) -> SyntheticSet:
    count = 2 * data.classes
    images = torch.randn(count, *data.shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(data.classes).repeat_interleave(2)
    given = {"pixels": "normalised", "labels": labels, **given}
    return SyntheticSet.of(images, data=data, method="mine", **given)


def kinds(small_images: Any) -> dict[str, SyntheticSet]:
    data = small_images(shape=(3, 9, 10), counts=(9, 9))
    whitened = data.whitened_by(ZCA.fit(data.pixels / 255))
    return {
        "plain": a_set(data),
        "order": a_set(data, labels=[1, 0, 1, 0]),
        "soft": a_set(data, labels=torch.rand(4, 2).softmax(1)),
        "unequal": a_set(data, labels=[1, 0, 0, 0]),
        "tiles": a_set(data, decoder=Tiles(2, (0.1, 0.2, 0.3))),
        "more tiles": a_set(data, decoder=Tiles(4), labels=torch.rand(4, 2).softmax(1)),
        "whitened": a_set(whitened, learning_rate=0.01),
    }


def test_sets_of_every_kind_are_read_as_they_are(small_images: Any, tmp_path: Path) -> None:
    for name, one in kinds(small_images).items():
        one.save(tmp_path / f"{name}.h5")
        plain = load_set(tmp_path / f"{name}.h5")
        assert np.array_equal(plain.images, one.images.numpy()) and np.array_equal(plain.labels, one.labels.numpy()), name
        assert (plain.provenance, plain.sha256, plain.learning_rate) == (one.provenance, one.sha256, one.learning_rate)
        images, labels = one.decoded()
        decoded, own = plain.decoded()
        np.testing.assert_allclose(decoded, images.numpy(), rtol=1e-5, atol=1e-5, err_msg=name)
        assert decoded.dtype == np.float32 and np.array_equal(own, labels.numpy()) and own.dtype == labels.numpy().dtype
        difference = plain.pixels().astype(int) - one.pixels().numpy()
        assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 0.01, name
        assert (plain.whitening is None) is (one.preprocessing is None)


def test_a_set_is_read_with_h5py_and_numpy_alone(small_images: Any, tmp_path: Path) -> None:
    one = kinds(small_images)["tiles"]
    one.save(tmp_path / "set.h5")
    code = "import condense; one = condense.load_set(sys.argv[1]); print(one.sha256, one.decoded()[0].shape, one.pixels())"
    assert without(("numpy", "h5py"), code, tmp_path / "set.h5").split()[0] == one.sha256
    assert "torch is not there" in without(
        ("numpy", "h5py"), "import condense\ntry: condense.learn\nexcept ImportError as e: print(e)"
    )


def test_importing_condense_imports_nothing_else() -> None:
    code = "import condense; print(*(name for name in sys.modules if name.startswith('condense')), *dir(condense))"
    found = without((), code).split()
    assert [name for name in found if name.startswith("condense")] == ["condense"] and {"learn", "SyntheticSet"} <= set(
        found
    )


def test_everything_of_the_package_is_there_as_before() -> None:
    names = condense.__all__
    assert set(names) == set(condense._HOMES) - {"CODE_VERSION"} | {"__version__"}
    assert all(getattr(condense, name) is not None for name in names)
    assert condense.statistics.summarise is condense.summarise and condense.stage_t.protocols.Protocol is condense.Protocol
    with pytest.raises(AttributeError, match="module 'condense' has no attribute 'nothing'"):
        condense.nothing  # noqa: B018
    with pytest.raises(ImportError):
        exec("from condense import nothing")
    assert condense.__version__ == condense.versions.CODE_VERSION


def test_what_a_type_checker_sees_is_what_is_there() -> None:
    source = Path(condense.__file__).read_text()
    for name, module in condense._HOMES.items():
        line = next(line for line in source.splitlines() if line.strip().startswith(f"from condense.{module} import "))
        assert name in line.replace(",", " ").split()


@pytest.mark.parametrize("fault", ["missing", "text", "pixel", "label", "cut", "decoder", "type", "newer", "shape"])
def test_a_damaged_file_is_refused(fault: str, small_images: Any, tmp_path: Path) -> None:
    path = tmp_path / "set.h5"
    kinds(small_images)["tiles"].save(path)
    if fault == "missing":
        path.unlink()
    elif fault == "text":
        path.write_text("no set")
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:-300])
    else:
        with h5py.File(path, "r+") as file:
            if fault in ("pixel", "label"):
                file["images" if fault == "pixel" else "labels"][0] = 1  # type: ignore[index]
            elif fault == "shape":
                del file["labels"]
                file["labels"] = np.zeros((4, 5), dtype=np.float32)
            else:
                name, value = {
                    "decoder": ("decoder", '{"name": "other"}'),
                    "type": ("seed", "one"),
                    "newer": ("format_version", 3),
                }[fault]
                file.attrs[name] = value
    with pytest.raises(CondenseError) as caught:
        load_set(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


# Tables

TABLE = Table("A table", ("a", "b"), (("1", "x"), ("2", "y")), (), ({"a": 1, "b": "x"}, {"a": 2, "c": 0.5}), (True, False))


def test_a_data_frame_has_what_csv_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def frame(rows: Any, columns: Any) -> tuple[Any, Any]:
        return rows, columns

    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=frame))
    found: Any = TABLE.to_pandas()
    assert found == ([[1, "x", None], [2, None, 0.5]], ["a", "b", "c"])
    bare: Any = Table("A table", ("a",), (("1",),), (), (), (True,)).to_pandas()
    assert bare == ([("1",)], ["a"])


def test_a_data_frame_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    found = TABLE.to_pandas()
    assert (
        isinstance(found, pandas.DataFrame) and found["a"].tolist() == [1, 2] and found["c"].isna().tolist() == [True, False]
    )


def test_without_pandas_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CondenseError, match="A data frame needs pandas, which is not installed: pip install pandas"):
        TABLE.to_pandas()
