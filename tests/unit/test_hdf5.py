"""HDF5 files of unknown origin: nothing is read that lies elsewhere, nor more than a file can hold."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from catalog_samples import GREY, LABELS, message_of

from condense import hdf5
from condense.data.catalog import load
from condense.errors import CondenseError
from condense.synthetic_set import SyntheticSet

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")


def soft_link(file: h5py.File, name: str, folder: Path) -> None:
    file["elsewhere"] = GREY
    file[name] = h5py.SoftLink("/elsewhere")


def external_link(file: h5py.File, name: str, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["images"] = GREY
    file[name] = h5py.ExternalLink(str(folder / "other.h5"), "images")


def link_to_a_pipe(file: h5py.File, name: str, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    file[name] = h5py.ExternalLink(str(folder / "pipe"), "images")


def virtual(source: str):
    def build(file: h5py.File, name: str, folder: Path) -> None:
        os.mkfifo(folder / "pipe")
        layout = h5py.VirtualLayout(GREY.shape, "u1")
        layout[:] = h5py.VirtualSource(source.format(folder=folder), name, GREY.shape)
        file.create_virtual_dataset(name, layout)

    return build


def external_storage(file: h5py.File, name: str, folder: Path) -> None:
    (folder / "secret").write_bytes(b"x" * GREY.size)
    file.create_dataset(name, GREY.shape, "u1", external=[(str(folder / "secret"), 0, GREY.size)])


HOSTILE = {
    "soft link": (soft_link, "is a link, and links are not followed"),
    "external link": (external_link, "is a link, and links are not followed"),
    "link to a pipe": (link_to_a_pipe, "is a link, and links are not followed"),
    "virtual dataset of itself": (virtual("."), "is a virtual dataset, which names other files"),
    "virtual dataset of a pipe": (virtual("{folder}/pipe"), "is a virtual dataset, which names other files"),
    "external storage": (external_storage, "is stored in another file"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("file", ["a.h5", "a.mat"])
def test_nothing_elsewhere_is_read_as_images(tmp_path, case, file):
    build, message = HOSTILE[case]
    with h5py.File(tmp_path / file, "w") as written:
        build(written, "images", tmp_path)
        written["labels"] = LABELS
    assert f"{tmp_path / file}: images {message}" in message_of(tmp_path / file)


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_elsewhere_is_read_as_a_synthetic_set(tmp_path, case):
    build, message = HOSTILE[case]
    released = Path(__file__).parents[2] / "artifacts" / "mnist-convnet-ipc1" / "set.h5"
    path = tmp_path / "set.h5"
    path.write_bytes(released.read_bytes())
    with h5py.File(path, "a") as file:
        del file["images"]
        build(file, "images", tmp_path)
    with pytest.raises(CondenseError) as caught:
        SyntheticSet.load(path)
    assert f"{path}: images {message}" in str(caught.value)


def unwritten(file: h5py.File) -> None:
    file.create_dataset("images", (30, 1000, 1000), "u1")


def unwritten_chunks(file: h5py.File) -> None:
    file.create_dataset("images", (30, 100, 100), "u1", chunks=(10, 100, 100), fletcher32=True)[:10] = 3


def zeros_in_little_space(file: h5py.File) -> None:
    file.create_dataset("images", data=np.zeros((30, 2000, 2000), np.uint8), compression="gzip", compression_opts=9)


def stated_only(file: h5py.File) -> None:
    file.create_dataset("images", (10**6, 10**4, 10**4), "u1", chunks=(1, 100, 100), compression="gzip")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (unwritten, "images is stated to be larger than the file"),
        (unwritten_chunks, "was not written whole, so that what is missing would be read as zeros"),
        (zeros_in_little_space, "images would expand to 120,000,000 bytes from a file of"),
        (stated_only, "images would expand to 100,000,000,000,000 bytes from a file of"),
    ],
)
def test_a_size_is_not_believed_before_it_is_checked(tmp_path, build, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build(file)
    with hdf5.opened(tmp_path / "a.h5") as file, pytest.raises(CondenseError) as caught:
        hdf5.read(file, "images")
    assert message in str(caught.value)


def test_one_long_text_stated_many_times_over(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("labels", data=["x" * 100_000, *["y"] * 2999], dtype=h5py.string_dtype())
        offset = file["labels"].id.get_offset()
    with hdf5.opened(path) as file:
        assert hdf5.read(file, "labels")[[0, 1]].tolist() == ["x" * 100_000, "y"]
    with path.open("r+b") as file:
        file.seek(offset)
        first = file.read(16)
        file.seek(offset)
        file.write(first * 3000)
    with hdf5.opened(path) as file, pytest.raises(CondenseError, match=r"labels would expand to [0-9,]+ bytes from"):
        hdf5.read(file, "labels")


def test_compressed_images_are_read(tmp_path):
    images = np.zeros((30, 200, 200), np.uint8)
    images[:, :, :100] = 255
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=images, compression="gzip", chunks=True)
        file["labels"] = LABELS
    assert load(str(tmp_path / "a.h5")).train.shape == (1, 200, 200)


def test_groups_in_a_circle_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/images"] = GREY
        file["group/again"] = file["/"]
    with hdf5.opened(tmp_path / "a.h5") as file:
        assert list(hdf5.entries(file)) == ["group/images"]


LOCKING = """
import sys, h5py
with h5py.File(sys.argv[1], "a") as file:
    file.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_locked_file_is_not_called_damaged(tmp_path):
    released = Path(__file__).parents[2] / "artifacts" / "mnist-convnet-ipc1" / "set.h5"
    path, real = tmp_path / "set.h5", tmp_path / "real.h5"
    path.write_bytes(released.read_bytes())
    with h5py.File(real, "w") as file:
        file["images"], file["labels"] = GREY, LABELS
    for file, read in ((path, SyntheticSet.load), (real, lambda file: load(str(file)))):
        command = [sys.executable, "-c", LOCKING, str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            with pytest.raises(CondenseError) as caught:
                read(file)
            other.communicate()
        assert str(caught.value).startswith(f"{file}: is locked, as another program has it open for writing")
        read(file)


@pytest.mark.parametrize("file", ["a.h5", "a.mat", "a.npz"])
def test_a_pipe_is_not_waited_for(tmp_path, file):
    os.mkfifo(tmp_path / file)
    assert message_of(tmp_path / file) == f"{tmp_path / file}: is no regular file."


def test_attributes_of_other_kinds_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["number"], file.attrs["text"], file.attrs["many"] = 3, "three", ["a", "b"]
        file.attrs["reference"] = file.ref
    with hdf5.opened(tmp_path / "a.h5") as file:
        assert (hdf5.attribute(file, "number"), hdf5.attribute(file, "text")) == (3, "three")
        for name in ("many", "reference"):
            with pytest.raises(CondenseError, match=f"the attribute {name} is neither a number nor a text"):
                hdf5.attribute(file, name)
