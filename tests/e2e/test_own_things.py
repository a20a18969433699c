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

from condense.augmentation.own import AUGMENTATIONS
from condense.cli.main import main
from condense.networks import own
from condense.records import read_records
from condense.stage_c import methods
from condense.stage_t import own_protocols
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
METHOD = """
from dataclasses import dataclass
from typing import ClassVar
import torch
import condense
from condense.training.layout import Layout

@dataclass(frozen=True)
class State:
    images: torch.Tensor

@dataclass(frozen=True, kw_only=True)
class Halves(condense.Method):
    name: ClassVar[str] = "halves"
    title: ClassVar[str] = "half way to what a new network makes brighter"

    iterations: int = condense.setting("Steps.")

    @classmethod
    def published(cls, occasion):
        return cls(iterations=3)

    def steps(self, problem):
        return self.iterations

    def begin(self, problem):
        return State(problem.real_images())

    def step(self, problem, state, number):
        vector, statistics = problem.new_network(number)
        parameters = Layout.of(problem.network).views(vector)
        images = state.images.detach().requires_grad_()
        logits, _ = problem.network.train_logits(parameters, images, statistics, problem.random("dropout", number))
        gradient, = torch.autograd.grad(logits.square().sum(), images)
        return State(state.images - 0.1 * gradient.sign()), {"logits": logits.detach().square().mean()}

    def result(self, problem, state):
        return condense.Condensed(state.images, problem.labels)

class NoMethod:
    name = "none"
"""
SHEAR = """
from dataclasses import replace
import torch
from condense import Protocol
from condense.augmentation.operations import Draw

def brighter(count, size, random):
    return replace(Draw.nothing(count), brightness=torch.rand(count, generator=random, dtype=torch.float64))

def three(count, size, random):
    return Draw.nothing(3)

quick = Protocol(name="quick", epochs=2, law="single", augmentation=("ouraugs:brighter", "crop"))
wrong = Protocol(name="wrong", epochs=2, law="several", augmentation=("ouraugs:brighter",))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a module of networks and some images; nothing of it is known before or after."""
    for name, text in (("ournets", NETS), ("ourmethod", METHOD), ("ouraugs", SHEAR)):
        (tmp_path / f"{name}.py").write_text(text)
    write_images(tmp_path / "images.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """As in a new process."""
    for known in (own.NETWORKS, methods.OWN, AUGMENTATIONS, own_protocols.OWN):
        known.forget()
    for name in ("ournets", "mynets", "ourmethod", "mymethod", "ouraugs"):
        sys.modules.pop(name, None)


DATA = ("--dataset", "images.npz", "--ipc", 1, "--quiet")
LEARN = ("--dataset", "images.npz", "--method", "dm", "--ipc", 1, "--iterations", 3, "--real-batch", 4, "--quiet")
QUICK = 'name = "quick"\nepochs = 2\n'


def test_the_guide_runs(folder: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 8
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
    forget()
    for command in ("status", "page"):  # what the folder names is read, not imported
        assert condense(command, "matrix") == 0
    assert "ournets" not in sys.modules
    assert condense(*asked) == 0
    assert json.loads(one.read_text())["metrics"] == json.loads(files[one])["metrics"]
    assert "ournets:small@" in Path("matrix/tables.md").read_text()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(folder: Path) -> None:
    program = "import condense.stage_c.driver as d; d.CHECKPOINT_SECONDS = 0; from condense.cli.main import main; main()"
    asked = ("learn", "--network", "ournets:small", "--method", "ourmethod:Halves", *DATA, "--iterations", 400)
    words = [str(word) for word in asked]
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


def test_a_method_of_the_current_folder_goes_through_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--network", "ournets:small", "--method", "ourmethod:Halves", *DATA)
    assert condense("learn", *asked, "--out", "a.h5") == 0
    facts = SyntheticSet.load("a.h5").provenance
    assert re.fullmatch(r"ourmethod:Halves@[0-9a-f]{10}", facts.method) and facts.config["iterations"] == 3
    evaluate = (
        "evaluate",
        "a.h5",
        "--dataset",
        "images.npz",
        "--network",
        "ournets:small",
        "MLP",
        "--protocol",
        "ouraugs:quick",
    )
    assert condense(*evaluate, "--seeds", 2, "--quiet", "--out", "tested.jsonl") == 0
    tested = read_records("tested.jsonl")
    assert [len(one.metrics["accuracy"]) for one in tested] == [2, 2]
    assert re.match(r"ouraugs:brighter@[0-9a-f]{10}$", tested[0].config["recipe"]["augmentation"][0])
    matrix = ("--learn", "MLP", "--train", "ournets:small", "--schedule", "published", "--protocol", "ouraugs:quick")
    asked = ("matrix", *matrix, *DATA, "--method", "ourmethod:Halves", "--seeds", 2, "--out", "matrix")
    assert condense(*asked) == 0
    forget()
    cell = next(Path("matrix").glob("*Halves*"))
    accuracies = {path: read_records(path)[0].metrics for path in cell.glob("*.jsonl")}
    for path in accuracies:
        path.unlink()
    assert condense(*asked) == 0
    assert {path: read_records(path)[0].metrics for path in cell.glob("*.jsonl")} == accuracies
    capsys.readouterr()
    assert condense("table", "a.jsonl", "tested.jsonl", "matrix", "--format", "csv") == 0
    assert facts.method in capsys.readouterr().out
    # Changed code is another method, and a study goes on with its own alone.
    Path("ourmethod.py").write_text(METHOD.replace("0.1 *", "0.2 *"))
    forget()
    assert condense("table", "matrix") == 2
    assert "is another one than before: its code has the digest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--method", "ourmethod:NoMethod"), "Method 'ourmethod:NoMethod': NoMethod is no subclass of condense.Method."),
        (("--method", "ourmethod:Nothing"), "Method 'ourmethod:Nothing' cannot be imported: AttributeError"),
        (("--method", "nowhere:Halves"), "cannot be imported: ModuleNotFoundError: No module named 'nowhere'."),
        (("--method", "halves"), "Unknown method 'halves'"),
        (("--method", "halves@0123456789"), "There is no method 'halves' in this process: register it before"),
        (("--method", "dsa", "--augmentation", "ouraugs:nothing"), "Augmentation 'ouraugs:nothing' cannot be imported"),
        (("--method", "dsa", "--augmentation", "ouraugs:three"), "for 2 images, where they are (2,) of torch.float64."),
        (("--method", "idc", "--augmentation", "ouraugs:brighter"), "Unknown augmentation 'ouraugs:brighter'"),
    ],
)
def test_what_is_no_method_or_augmentation_is_said_in_a_sentence(
    words: tuple[str, ...], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert condense("learn", "--network", "ConvNetW4D1", *words, *DATA, "--out", "a.h5") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line and not Path("a.h5").exists()


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ("ouraugs:wrong", "augmentation: the law several has no ouraugs:brighter@"),
        ("ouraugs:brighter", "is no condense.Protocol"),
        ("ouraugs:slow", "Protocol 'ouraugs:slow' cannot be imported: AttributeError"),
        ("quick", "Unknown protocol 'quick'"),
    ],
)
def test_what_is_no_protocol_is_said_in_a_sentence(
    protocol: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert condense("learn", "--method", "random", *DATA, "--out", "a.h5") == 0
    assert condense("evaluate", "a.h5", "--dataset", "images.npz", "--protocol", protocol, "--out", "b.jsonl") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line and not Path("b.jsonl").exists()


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
    forget()
    capsys.readouterr()
    words = ("evaluate", "a.h5", "--dataset", "images.npz", "--seeds", "1", "--quiet", "--out", "b.jsonl")
    assert condense(*words) == 2
    assert "which is code that a file is not to choose: name it" in capsys.readouterr().err
    assert "ournets" not in sys.modules and not Path("b.jsonl").exists()


def test_networks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["networks"])
    assert "MODULE:FACTORY" in capsys.readouterr().out
