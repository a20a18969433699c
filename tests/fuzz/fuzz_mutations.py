"""Mutations that every kind of input shares: of bytes, and of JSON-like values."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

HOSTILE_TEXTS = (
    "",
    " ",
    "x" * 100_000,
    "null\0byte",
    "\x1b[2J\x1b]0;owned\x07",
    "a\nb\r\nc",
    "../../../etc/passwd",
    "~nouser/x",
    "/dev/zero",
    "=HYPERLINK(1)",
    "| a | b |\n|---|",
    "<script>alert(1)</script>",
    "\u202eright to left",
    "\x85\u2028",
    "e\u0301",
    "n" * 300,
    "%s%n{0}{x}",
)
HOSTILE_NUMBERS = (0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, -(10**18), 10**9, 0.5, -0.0, 1e300, 5e-324)
RAW = "@raw:"
"""A text that begins so stands for what follows it, unquoted, in a file that is written."""
HOSTILE_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "1" + "0" * 400, "true", "null")


def hostile_value(random: Random) -> Any:
    """A value of some type that need not fit where it is put."""
    kind = random.randrange(7)
    if kind == 0:
        return random.choice(HOSTILE_TEXTS)
    if kind == 1:
        return random.choice(HOSTILE_NUMBERS)
    if kind == 2:
        return RAW + random.choice(HOSTILE_RAW)
    if kind == 3:
        return random.choice([None, True, False])
    if kind == 4:
        return [hostile_value(random) for _ in range(random.randrange(4))]
    if kind == 5:
        return {random.choice(["a", "", "seed", "\x1b[1m"]): hostile_value(random) for _ in range(random.randrange(3))}
    return nested(random.choice([5, 100, 3000]), random)


def nested(depth: int, random: Random) -> str:
    """Raw text of brackets so many levels deep."""
    return RAW + "[" * depth + random.choice(["", "1"]) + "]" * depth


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every part of a JSON-like value, the whole not among them."""
    found: list[tuple[Any, ...]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += [(*path, key), *places(inner, (*path, key))]
    return found


def mutated_value(value: Any, random: Random, most: int = 3) -> Any:
    """A copy of a JSON-like value with one to `most` of its parts replaced, removed, doubled or added."""
    changed = copy.deepcopy(value)
    for _ in range(random.randint(1, most)):
        known = places(changed)
        if not known:
            return hostile_value(random)
        *above, key = random.choice(known)
        parent = changed
        for step in above:
            parent = parent[step]
        _change(parent, key, random)
    return changed


def _change(parent: Any, key: Any, random: Random) -> None:
    action = random.randrange(10)
    if action == 0:
        del parent[key]
    elif action == 1:
        if isinstance(parent, list):
            parent.insert(key, hostile_value(random))
        else:
            parent[random.choice(["extra", key + " ", "", *HOSTILE_TEXTS[:6]])] = parent[key]
    elif action == 2 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = random.choice(
            [-parent[key], parent[key] * 10**9, parent[key] + 1, float(parent[key]), str(parent[key])]
        )
    elif action == 3 and isinstance(parent[key], list):
        parent[key] = parent[key] * random.choice([0, 2, 50])
    else:
        parent[key] = hostile_value(random)


def json_text(value: Any) -> str:
    """JSON of a value, its raw parts as they stand."""
    return unquoted(json.dumps(value))


def unquoted(text: str) -> str:
    """A JSON text with the quotes of its raw parts taken away."""
    pieces = text.split(f'"{RAW}')
    rest = [part.partition('"') for part in pieces[1:]]
    return pieces[0] + "".join(raw + after for raw, _, after in rest)


def toml_text(value: dict[str, Any]) -> str:
    """TOML of a dictionary: tables of plain values, and lists of tables."""
    lines = [f"{_toml_key(key)} = {_toml_value(inner)}" for key, inner in value.items() if not _is_table(inner)]
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines += [f"[{_toml_key(key)}]", *(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in inner.items())]
        elif _is_table(inner):
            for table in inner:
                lines += [f"[[{_toml_key(key)}]]", *(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    tables = isinstance(value, list) and value and all(isinstance(each, dict) for each in value)
    return isinstance(value, dict) or bool(tables)


def _toml_key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, str) and value.startswith(RAW):
        raw = value.removeprefix(RAW)
        return {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf", "null": "''"}.get(raw, raw)
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
    return "''" if value is None else json.dumps(value)


def mutated_bytes(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """Bytes with some flipped, cut off, cut out, doubled, inserted, or spliced with those of another file."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        _BYTE_ACTIONS[random.randrange(len(_BYTE_ACTIONS))](changed, random, other)
    return bytes(changed)


def _position(data: bytearray, random: Random) -> int:
    # Headers are where the structure is.
    limit = min(len(data), 600) if random.random() < 0.5 else len(data)
    return random.randrange(limit) if limit else 0


def _flip(data: bytearray, random: Random, other: bytes) -> None:
    for _ in range(random.choice([1, 1, 4, 32])):
        if data:
            data[_position(data, random)] ^= 1 << random.randrange(8)


def _set(data: bytearray, random: Random, other: bytes) -> None:
    start, size = _position(data, random), random.choice([1, 2, 4, 8])
    data[start : start + size] = random.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * size


def _truncate(data: bytearray, random: Random, other: bytes) -> None:
    del data[_position(data, random) :]


def _cut_out(data: bytearray, random: Random, other: bytes) -> None:
    start = _position(data, random)
    del data[start : start + random.choice([1, 7, 64, 512])]


def _double(data: bytearray, random: Random, other: bytes) -> None:
    start = _position(data, random)
    data[start:start] = data[start : start + random.choice([4, 64, 1024])]


def _insert(data: bytearray, random: Random, other: bytes) -> None:
    start = _position(data, random)
    data[start:start] = random.randbytes(random.choice([1, 3, 16, 200]))


def _splice(data: bytearray, random: Random, other: bytes) -> None:
    if other:
        data[_position(data, random) :] = other[random.randrange(len(other)) :]


_BYTE_ACTIONS: tuple[Callable[[bytearray, Random, bytes], None], ...] = (
    *(_flip, _flip, _set, _truncate, _cut_out, _double, _insert, _splice),
)
