"""The README is true: its commands and Python run, its table is what the released records give, its files are there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import condense
from PIL import Image

from condense.records import read_records
from condense.report.rendering import render
from condense.report.tables import accuracy_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Code blocks of a language; those that call scripts/ are run by continuous integration, not here."""
    return [code for found, code in BLOCK.findall(README) if found == language and "scripts/" not in code]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with what the README's examples speak of: one's own images, and the released artifacts."""
    path = tmp_path_factory.mktemp("readme")
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (path / "my-images" / name).mkdir(parents=True)
        for index in range(10):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path / "my-images" / name / f"{index}.png")
    (path / "artifacts").symlink_to(ROOT / "artifacts")
    return path


def run(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(code: str) -> list[str]:
    """The lines of a block, those that go on behind a backslash as one."""
    return [line for line in code.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def test_commands_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of condense in this process, as starting two dozen would take minutes; the first as a user does."""
    monkeypatch.chdir(folder)
    found = [line for code in blocks("bash") for line in commands(code)]
    of_condense = [line for line in found if line.startswith("condense ")]
    assert len(of_condense) >= 20
    for line in found:
        if line in of_condense[1:]:
            assert condense(*shlex.split(line, comments=True)[1:]) == 0, (line, capsys.readouterr().err)
        else:
            run(["bash", "-euo", "pipefail", "-c", line], folder)
    assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_python_runs(folder: Path) -> None:
    found = blocks("python")
    assert len(found) >= 2
    for code in found:
        run([sys.executable, "-c", code], folder)


def test_the_table_is_made_from_the_released_records() -> None:
    files = sorted(ROOT.glob("artifacts/*/records.jsonl"))
    assert files
    table = render(accuracy_table([record for path in files for record in read_records(path)]), "markdown")
    assert table.strip() in README


def test_speeds_are_the_measured_ones() -> None:
    files = sorted((ROOT / "artifacts" / "benchmarks").glob("stage_?.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(files) == 2 and len(rows) >= 9
    for row in rows:
        low, high = row["ratio_range"]
        assert f"| {row['case']} | {row['precision']} | {row['ratio']:.2f} | {low:.2f}–{high:.2f} |" in README
