"""Files of arrays: `.npz`, `.h5`, `.mat` of every version, and the dumps of training runs."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse
from fuzz_hdf5 import hdf5_bytes
from fuzz_mutations import HOSTILE_TEXTS, mutated_bytes

NAMES = (
    *(("train_images", "train_labels"), ("images", "labels"), ("X", "y"), ("x_train", "y_train"), ("X_train", "y_train")),
    *(("train_set_x", "train_set_y"), ("Z", "y"), ("arr_0", "arr_1"), ("IMAGES", "Labels"), ("data", "target")),
)
SHAPES = (
    (12, 8, 8),
    (12, 8, 8, 3),
    (12, 3, 8, 8),
    (12, 1, 8, 8),
    (12, 64),
    (12, 192),
    (12, 8, 9),
    (0, 8, 8),
    (12,),
    (8, 8, 1, 12),
)


def images(random: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels of one of the types and ranges that users have."""
    values = np.random.default_rng(random.randrange(2**32)).integers(0, 256, shape)
    kinds: list[Any] = [
        values.astype("u1"),
        values.astype("u1"),
        values.astype("i8"),
        values / 255.0,
        (values / 255.0).astype("f4"),
        values * 257.0,
        (values * 16).astype("u2"),
        values / 255.0 * 1.257 - 0.1,
        values > 127,
        values // 16,
        values.astype("f2"),
        np.where(values > 250, np.nan, values),
        values * 1e300,
        values.astype("c8"),
        values.astype("S3"),
        values.astype(">u2"),
        np.zeros(shape),
    ]
    return random.choice(kinds)


def labels(random: Random, count: int) -> np.ndarray:
    """Labels of one of the kinds that users have."""
    each = np.arange(count) % 3
    kinds: list[Any] = [
        each,
        each,
        each.astype("u1"),
        each + 1,
        each[:, None],
        each[None],
        each.astype("f8"),
        each + 0.5,
        np.eye(3)[each],
        each.astype("U9"),
        np.array(["cat", "dog", "\x1b[2Jx"])[each],
        each == 0,
        -each,
        each * 10**9,
        each.astype("u8") * 2**62,
        each[:-1],
        np.zeros(count, "i8"),
        np.where(each > 1, np.nan, each),
        each.astype("M8[s]"),
    ]
    return random.choice(kinds)


def arrays(random: Random) -> dict[str, np.ndarray]:
    """Images and labels under some names, now and then with test images, class names and more."""
    shape, (first, second) = random.choice([*SHAPES[:4], random.choice(SHAPES)]), random.choice([*NAMES[:3], *NAMES])
    found = {first: images(random, shape), second: labels(random, shape[0])}
    if random.random() < 0.4:
        draw = np.random.default_rng(random.randrange(2**32))
        found = {first: draw.integers(0, 256, shape).astype("u1"), second: np.arange(shape[0]) % 3}
    if random.random() < 0.3:
        again = images(random, random.choice([shape, random.choice(SHAPES)]))
        found |= {first.replace("train", "test"): again, second.replace("train", "test"): labels(random, len(again))}
    if random.random() < 0.2:
        texts = random.sample(["a", "b", "c", *HOSTILE_TEXTS[:8]], 3)
        found["class_names"] = np.array([text.replace("\0", "") for text in texts])
    return found


def make_npz(random: Random, folder: Path, secret: Path) -> Path:
    """A `.npz` file."""
    return _written(folder / "data.npz", npz_bytes(arrays(random), random), random)


def npz_bytes(content: dict[str, np.ndarray], random: Random) -> bytes:
    """An archive of arrays, some members of which may be no arrays, or say what is not so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, array in content.items():
            odd = random.random() < 0.12
            member = (
                f"{name}.npy" if random.random() < 0.95 else random.choice([name, f"../{name}.npy", f"{name}.npy\x1b[1m"])
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(member, _odd_member(array, random) if odd else _npy(array))
                if random.random() < 0.05:
                    archive.writestr(member, _npy(array))
    data = buffer.getvalue()
    return data.replace(b"PK\x01\x02", b"PK\x01\x03", 1) if random.random() < 0.02 else data


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _header(text: str, body: bytes) -> bytes:
    encoded = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(encoded)) + encoded + body


def _odd_member(array: np.ndarray, random: Random) -> bytes:
    shape = random.choice(
        ["(1000000000, 28, 28)", "(12, 8, 8)", "(-1,)", "(12, 1e9)", "()", "(2**62, 8)", "12", f"({'1,' * 100})"]
    )
    descr = random.choice(["'|u1'", "'<f8'", "'|O'", "[('a', '<f4')]", "'<U100000'", "'|V0'", "'x'", "None"])
    choices = (
        lambda: _npy(np.array([{"a": 1}, None, [2]], object)),
        lambda: b"this is no array",
        lambda: b"",
        lambda: _header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", b"\0" * 800),
        lambda: _header("(" * 300 + ")" * 300, b""),
        lambda: _npy(array)[: random.randrange(1, 200)],
        lambda: mutated_bytes(_npy(array), random),
        lambda: _npy(np.zeros((random.choice([10, 40_000]), 100, 100), "u1")),
    )
    return random.choice(choices)()


def make_h5(random: Random, folder: Path, secret: Path) -> Path:
    """A `.h5` file of arrays."""
    plain = {name: _hdf5_array(array) for name, array in arrays(random).items()}
    data = hdf5_bytes(plain, random, secret, mat=False, broken=random.choice([0, 1, 1, 2]))
    return _written(folder / random.choice(["data.h5", "data.hdf5"]), data, random)


def _hdf5_array(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "M":
        return array.astype("i8")
    return np.array([text.encode() for text in array.ravel().tolist()]) if array.dtype.kind == "U" else array


def make_mat(random: Random, folder: Path, secret: Path) -> Path:
    """A `.mat` file: dense or sparse, of version 4, 5 or 7.3."""
    kind = random.randrange(4)
    content = _mat_content(random)
    if kind == 0:
        plain = {name: _hdf5_array(array) for name, array in content.items()}
        data = hdf5_bytes(plain, random, secret, mat=True, broken=random.choice([0, 1, 1, 2]))
    elif kind == 1:
        data = _sparse_mat(random)
    else:
        data = _saved(content, random)
    name = random.choice(["data.mat", "data.mat", "train.mat"])
    if random.random() < 0.1:
        (folder / "test.mat").write_bytes(_saved(_mat_content(random), random))
    return _written(folder / name, data, random)


def _mat_content(random: Random) -> dict[str, Any]:
    if random.random() < 0.5:
        found: dict[str, Any] = {"X": images(random, random.choice([(8, 8, 3, 12), (8, 8, 1, 12)])), "y": labels(random, 12)}
    else:
        found = {"Z": images(random, (12, random.choice([64, 192, 784, 783, 65]))), "y": labels(random, 12)}
    if random.random() < 0.4:
        pixels = np.random.default_rng(random.randrange(2**32)).integers(0, 256, (12, 784)).astype("u1")
        found = {"Z": pixels, "y": np.arange(12)[:, None] % 3}
    for name, array in list(found.items()):
        if array.dtype.kind in "MbS" or array.dtype == np.float16:
            found[name] = array.astype("f8" if array.dtype.kind in "bf" else "S")
    return found


def _saved(content: dict[str, Any], random: Random) -> bytes:
    odd: list[Any] = [{"a": 1}, np.array([{"b": 2}, "x"], object), "text", np.zeros((0, 0)), np.ones(3, bool)]
    if random.random() < 0.3:
        content = {**content, random.choice(["X", "y", "Z", "more"]): random.choice(odd)}
    buffer = io.BytesIO()
    version: Any = random.choice(["5", "5", "5", "4"])
    plain = {n: a for n, a in content.items() if isinstance(a, np.ndarray) and a.ndim <= 2 and a.dtype.kind in "uif"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if version == "4":
            plain = {n: a.astype("f8") for n, a in plain.items()}
        scipy.io.savemat(buffer, plain if version == "4" else content, format=version, do_compression=random.random() < 0.3)
    return buffer.getvalue()


def _sparse_mat(random: Random) -> bytes:
    """A sparse Z whose column pointers, row indices or sizes may be wrong, compressed or not."""
    dense = np.random.default_rng(random.randrange(2**32)).integers(0, 2, (12, 64)).astype("f8") * 200
    Z = scipy.sparse.csc_matrix(dense)
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"Z": Z, "y": np.arange(12)[:, None] % 3.0})
    data = buffer.getvalue()
    if random.random() < 0.8:
        part = random.choice([Z.indices, Z.indptr, np.array([12, 64])]).astype("<i4")
        wrong = part.copy()
        for _ in range(random.choice([1, 3])):
            wrong[random.randrange(len(wrong))] = random.choice([-1, 12, 64, 10**6, 2**31 - 1, -(2**31), 0, 100_000])
        data = data.replace(part.tobytes(), wrong.tobytes(), 1)
    if random.random() < 0.3:
        packed = zlib.compress(data[128:])
        data = data[:128] + struct.pack("<II", 15, len(packed)) + packed
    return data


def make_parity(random: Random, folder: Path, secret: Path) -> Path:
    """Two dumps of training runs in one folder, the second one right."""
    right = right_dump(random)
    wrong = dict(right)
    for _ in range(random.choice([0, 1, 2])):
        name = random.choice([*wrong, "weight/extra", "gradient", "x/../y"])
        odd = [
            images(random, random.choice([(5,), (2, 3), (2,), ()])),
            labels(random, 5),
            np.array(random.choice(HOSTILE_TEXTS)),
        ]
        wrong[name] = random.choice(odd)
    (folder / "right.npz").write_bytes(_npz(right))
    data = _npz(wrong) if random.random() < 0.5 else npz_bytes(wrong, random)
    return _written(folder / "mine.npz", data, random).parent


def right_dump(random: Random) -> dict[str, np.ndarray]:
    """The arrays of a dump of two steps."""
    draw = np.random.default_rng(random.randrange(2**32))
    found = {"loss": draw.random(5), "steps": np.array([1, 5]), "program": np.array("fuzz"), "hash/data": np.array("ab")}
    return found | {"weight/fc.weight": draw.random((2, 3, 4)), "gradient/fc.weight": draw.random((2, 3, 4))}


def _npz(content: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in content.items():
            archive.writestr(f"{name}.npy", _npy(array))
    return buffer.getvalue()


def _written(path: Path, data: bytes, random: Random) -> Path:
    """Writes the file, its bytes mutated one time in four."""
    path.write_bytes(mutated_bytes(data, random) if random.random() < 0.25 else data)
    return path
