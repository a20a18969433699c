"""One's own sets and networks as users have them: the guide's code as it stands, and the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ROOT, condense, write_images

from condense.cli.main import main
from condense.networks import own
from condense.records import read_records
from condense.synthetic_set import SyntheticSet

GUIDE = (ROOT / "docs" / "own-things.md").read_text()
NETS = """
from torch import nn

def small(shape, classes):
    side = shape[1] // 4
    norm = nn.BatchNorm2d(4)
    return nn.Sequential(nn.Conv2d(shape[0], 4, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(4), nn.Dropout(.2),
                         nn.Flatten(), nn.Linear(4 * side**2, classes))

def odd(shape, classes):
    return nn.Flatten()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a module of networks and some images; nothing of it is known before or after."""
    (tmp_path / "ournets.py").write_text(NETS)
    write_images(tmp_path / "images.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(own, "_asked", set())
    yield tmp_path
    for name in ("ournets", "mynets"):
        sys.modules.pop(name, None)


LEARN = ("--dataset", "images.npz", "--method", "dm", "--ipc", 1, "--iterations", 3, "--real-batch", 4, "--quiet")
QUICK = 'name = "quick"\nepochs = 2\n'


def test_the_guide_runs(folder: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    alone = [code for code in blocks if "not in sys.modules" in code]
    assert len(alone) == 1
    for code in blocks:
        if code in alone:
            done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        else:
            before = signal.getsignal(signal.SIGTERM)
            exec(compile(code, "guide", "exec"), {"__name__": "guide"})
            signal.signal(signal.SIGTERM, before)


def test_a_network_of_the_current_folder_goes_through_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("quick.toml").write_text(QUICK)
    assert condense("learn", "--network", "ournets:small", *LEARN, "--out", "a.h5") == 0
    name = SyntheticSet.load("a.h5").provenance.network
    assert re.fullmatch(r"ournets:small@[0-9a-f]{10}", name)
    (record,) = read_records("a.jsonl")
    assert record.config["network"] == name
    evaluate = ("evaluate", "a.h5", "--dataset", "images.npz", "--protocol", "quick.toml", "--seeds", 3, "--quiet")
    assert condense(*evaluate, "--out", "a-tested.jsonl") == 0
    tested = read_records("a-tested.jsonl")
    assert [one.config["network"] for one in tested] == [name] and len(tested[0].metrics["accuracy"]) == 3
    assert tested[0].config["execution"]["stack"] == 1 and tested[0].config["path"] == "eager"
    capsys.readouterr()
    assert condense("table", "a.jsonl", "a-tested.jsonl", "--format", "csv") == 0
    assert name in capsys.readouterr().out


def test_a_matrix_of_ones_own_and_a_built_in_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("quick.toml").write_text(QUICK)
    networks = ("--learn", "ournets:small", "--train", "ournets:small", "MLP", "--protocol", "quick.toml", "--seeds", 2)
    asked = ("matrix", *networks, *LEARN, "--schedule", "published", "--out", "matrix")
    assert condense(*asked) == 0
    files = {path: path.read_bytes() for path in Path("matrix").rglob("*.jsonl")}
    assert len(files) == 3
    one = next(path for path in files if "ournets:small@" in path.name)
    one.unlink()
    sys.modules.pop("ournets")
    own._asked.clear()
    for command in ("status", "page"):  # what the folder names is read, not imported
        assert condense(command, "matrix") == 0
    assert "ournets" not in sys.modules
    assert condense(*asked) == 0
    assert json.loads(one.read_text())["metrics"] == json.loads(files[one])["metrics"]
    assert "ournets:small@" in Path("matrix/tables.md").read_text()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(folder: Path) -> None:
    program = "import condense.stage_c.driver as d; d.CHECKPOINT_SECONDS = 0; from condense.cli.main import main; main()"
    words = [str(word) for word in ("learn", "--network", "ournets:small", *LEARN, "--iterations", "150")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen([sys.executable, "-c", program, *words, "--out", "killed.h5"], cwd=folder, env=environment)
    deadline = time.monotonic() + 120
    while not Path("killed.h5.checkpoint").exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert not Path("killed.h5").exists() and Path("killed.h5.checkpoint").exists()
    assert condense(*words, "--out", "killed.h5", "--resume") == 0
    assert condense(*words, "--out", "whole.h5") == 0
    assert Path("killed.h5").read_bytes() == Path("whole.h5").read_bytes()


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ("ournets:none", "Network 'ournets:none' cannot be imported: AttributeError"),
        ("ournets.none:small", "cannot be imported: ModuleNotFoundError"),
        ("nothing_there:small", "cannot be imported: ModuleNotFoundError: No module named 'nothing_there'"),
        ("ournets:odd", "has no parameters that are trained"),
        ("math:sqrt@0123456789", "is another one than before: its code has the digest"),
        ("mine@0123456789", "There is no network 'mine' in this process"),
        ("os:system", "cannot be made for images of 1 x 8 x 8 and 2 classes: TypeError"),
        ("timm:nothing", "timm"),
        ("ournets", "Unknown network 'ournets'"),
    ],
)
def test_what_is_no_network_is_said_in_a_sentence(
    network: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    assert condense("learn", "--network", network, *LEARN, "--out", "a.h5") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"] == before


def test_a_set_does_not_choose_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("learn", "--network", "ournets:small", *LEARN, "--out", "a.h5") == 0
    sys.modules.pop("ournets")
    own._asked.clear()
    capsys.readouterr()
    words = ("evaluate", "a.h5", "--dataset", "images.npz", "--seeds", "1", "--quiet", "--out", "b.jsonl")
    assert condense(*words) == 2
    assert "which is code that a file is not to choose: name it" in capsys.readouterr().err
    assert "ournets" not in sys.modules and not Path("b.jsonl").exists()


def test_networks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["networks"])
    assert "MODULE:FACTORY" in capsys.readouterr().out
