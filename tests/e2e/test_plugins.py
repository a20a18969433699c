"""Methods of installed packages: the complete one of docs/examples, installed and used, and what is wrong with others."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_line import ROOT, condense, installed_into, write_images

from condense import LearnConfig, Problem, learn
from condense.data.images import LabelledImages
from condense.networks.registry import build
from condense.stage_c import methods

EXAMPLE = ROOT / "docs" / "examples" / "method"


def forget_packages() -> None:
    for cached in (methods._entry_points, methods._of_package):
        cached.cache_clear()


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes the packages in a folder installed ones for a test in this process."""

    def use(folder: Path) -> None:
        monkeypatch.syspath_prepend(folder)
        forget_packages()

    yield use
    monkeypatch.undo()
    forget_packages()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example."""
    return installed_into(tmp_path_factory.mktemp("plugins"), "method")


def run(*words: object, site: Path, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}", "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).with_name("condense")), *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_runs_as_an_installed_package(
    installed: Path, tmp_path: Path, packages: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "images.npz")
    assert "\n  k-means          the centres of k-means among" in run("methods", site=installed, folder=tmp_path)
    words = ("--dataset", "images.npz", "--network", "mlp-1x8", "--ipc", 2, "--iterations", 4, "--square", 2, "--seeds", 2)
    made = ("run", "--method", "k-means", *words, "--protocol", "report", "--out", "made", "--quiet")
    assert "Page:" in run(*made, site=installed, folder=tmp_path)
    records = tmp_path / "made" / "records.jsonl"
    facts = json.loads(records.read_text().splitlines()[0])
    assert facts["config"]["method"] == "k-means" and facts["config"]["square"] == 2
    losses = facts["series"]["loss"]
    assert len(losses) == 4 and sorted(losses, reverse=True) == losses

    assert condense("table", records) == 0
    without = capsys.readouterr().out
    assert "k-means" in without and "Learned by k-means: 4 iterations" in without
    packages(installed)
    assert condense("table", records) == 0
    assert "schedule published with iterations 4, square 2" in capsys.readouterr().out
    assert condense("learn", "--method", "k-means", "--help") == 0
    text = capsys.readouterr().out
    assert "--square INT" in text and "--iterations INT" in text and "--inner-loop" not in text


def test_the_guide_quotes_the_example() -> None:
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)^```", (ROOT / "docs" / "adding-a-method.md").read_text(), re.M | re.S)
    source = "".join((EXAMPLE / name).read_text() for name in ("condense_k_means.py", "pyproject.toml"))
    lines = {line.strip() for line in source.splitlines()}
    quotes = [block for block in blocks if "plain_step" not in block and "[method]" not in block]
    assert len(quotes) >= 6
    for line in "".join(quotes).splitlines():
        assert line.strip() in lines


def plain_k_means(images: torch.Tensor, centres: torch.Tensor, square: int) -> torch.Tensor:
    """Centres (k, C, H, W) of images (n, C, H, W) after a step, one image at a time."""

    def coarse(image: torch.Tensor) -> torch.Tensor:
        parts = [part for rows in image.split(square, dim=1) for part in rows.split(square, dim=2)]
        return torch.stack([part.mean((1, 2)) for part in parts])

    own: list[list[torch.Tensor]] = [[] for _ in centres]
    for image in images:
        far = [float(((coarse(image) - coarse(centre)) ** 2).sum()) for centre in centres]
        own[far.index(min(far))].append(image)
    return torch.stack([torch.stack(these).mean(0) if these else old for these, old in zip(own, centres, strict=True)])


@pytest.mark.parametrize("square", [1, 3])
def test_the_example_equals_its_twin(
    square: int, small_images: Callable[..., LabelledImages], packages: Callable[[Path], None], fresh_seed: int
) -> None:
    packages(EXAMPLE)
    from condense_k_means import KMeans  # pyright: ignore[reportMissingImports]

    data = small_images(shape=(3, 9, 9), counts=(20, 7))
    problem = Problem(data, build("MLP", data.shape, data.classes), 3, fresh_seed, torch.float64)
    method = KMeans(iterations=3, square=square)
    state = method.begin(problem)
    for number in range(method.steps(problem)):
        every = data.inputs(torch.arange(len(data)), torch.float64).split(data.counts)
        wanted = [plain_k_means(x, c, square) for x, c in zip(every, state.centres.split(3), strict=True)]
        state, losses = method.step(problem, state, number)
        torch.testing.assert_close(state.centres, torch.cat(wanted), rtol=1e-12, atol=1e-12)
        assert set(losses) == {"squared distance"}
    assert torch.equal(method.result(problem, state).labels, problem.labels)


def test_the_example_from_python(
    installed: Path, small_images: Callable[..., LabelledImages], packages: Callable[[Path], None]
) -> None:
    packages(installed)
    data = small_images(counts=(8, 8))
    learned = learn(LearnConfig(dataset="noise", network="mlp-1x8", ipc=2, method="k-means", schedule="fast"), data)
    assert learned.set.images.shape == (4, 1, 28, 28) and len(learned.record.losses) == 10


BEGINNING = """
from dataclasses import dataclass
from condense import Condensed, Method, setting

class Whole(Method):
    title = "a method"
    @classmethod
    def published(cls, occasion): return cls()
    def steps(self, problem): return 0
    def begin(self, problem): return None
    def step(self, problem, state, number): return state, {}
    def result(self, problem, state): raise NotImplementedError

"""
DATACLASS = "@dataclass(frozen=True, kw_only=True)\n"
BAD = {
    "failing": ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError: No module named"),
    "leaving": ("raise SystemExit('no licence')", "cannot be imported: SystemExit: no licence"),
    "syntax": ("def", "cannot be imported: SyntaxError"),
    "missing": ("", "cannot be imported: AttributeError"),
    "function": ("def Own(): pass", "own:Own is no subclass of condense.Method"),
    "foreign": ("class Own: pass", "own:Own is no subclass of condense.Method"),
    "abstract": (f"{DATACLASS}class Own(Method): name = 'own'", "own:Own lacks begin, published, result, step, steps"),
    "plain": ("class Own(Whole): name = 'own'", "own:Own is no dataclass: put @dataclass(frozen=True, kw_only=True) above"),
    "other name": (f"{DATACLASS}class Own(Whole): name = 'mine'", "own:Own calls itself 'mine'"),
    "no name": (f"{DATACLASS}class Own(Whole): pass", "own:Own has no name"),
    "no title": (f"{DATACLASS}class Own(Whole): name = 'own'; title = None", "own:Own has no title"),
    "typed": (
        f"{DATACLASS}class Own(Whole):\n  name = 'own'\n  weights: dict = setting('Weights.', None)",
        "its setting 'weights' must be an int, float, str, a tuple of those, or a bool with a default",
    ),
    "colliding": (
        f"{DATACLASS}class Own(Whole):\n  name = 'own'\n  seed: int = setting('Another seed.', 0)",
        "has a setting called 'seed', which means something else to every method: it needs another name",
    ),
    "recorded": (
        f"{DATACLASS}class Own(Whole):\n  name = 'own'\n  execution: int = setting('A number.', 0)",
        "has a setting called 'execution', which means something else",
    ),
    "of the command": (
        f"{DATACLASS}class Own(Whole):\n  name = 'own'\n  force: int = setting('A force.', 0)",
        "has a setting called 'force', which means something else",
    ),
}


def write_package(folder: Path, code: str, name: str = "own", package: str = "condense-own") -> None:
    """An installed package of one module `own` whose class `Own` is entered under this name."""
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(BEGINNING + code)
    facts = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[condense.methods]\n{name} = own:Own\n")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.fixture
def fresh_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "own", raising=False)


@pytest.mark.usefixtures("fresh_module")
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_package_is_refused_in_a_sentence(
    fault: str, tmp_path: Path, packages: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    code, sentence = BAD[fault]
    write_package(tmp_path / "site", code)
    packages(tmp_path / "site")
    assert condense("learn", "--method", "own", "--dataset", "digits", "--out", tmp_path / "own.h5") == 2
    line = said(capsys)
    assert sentence in line and line.removeprefix("condense: ").removeprefix("--method: ").startswith("Method 'own'")
    assert not (tmp_path / "own.h5").exists()
    assert condense("methods") == 0
    listed = capsys.readouterr().out
    assert "gradient matching" in listed and "\n  own " in listed


@pytest.mark.usefixtures("fresh_module")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dc", "Method 'dc' is built in, and the package condense-own adds another of that name: uninstall it"),
        ("Own Method", "its name must be of small letters, digits and hyphens"),
    ],
)
def test_names_that_cannot_be(
    name: str, sentence: str, tmp_path: Path, packages: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_package(tmp_path / "site", f"{DATACLASS}class Own(Whole): name = {name!r}", name)
    packages(tmp_path / "site")
    assert condense("run", "--method", name, "--dataset", "digits", "--out", tmp_path / "out") == 2
    assert sentence in said(capsys)
    assert condense("methods") == 0
    assert sentence in capsys.readouterr().out


@pytest.mark.usefixtures("fresh_module")
def test_one_name_of_two_packages(
    tmp_path: Path, packages: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("condense-one", "condense-two"):
        write_package(tmp_path / "site", f"{DATACLASS}class Own(Whole): name = 'own'", package=package)
    packages(tmp_path / "site")
    assert condense("learn", "--method", "own", "--dataset", "digits", "--out", tmp_path / "own.h5") == 2
    line = said(capsys)
    assert "is added by the package condense-" in line and "uninstall one of them" in line


@pytest.mark.usefixtures("fresh_module")
def test_what_was_made_by_a_built_in_method_is_read_beside_a_package_of_that_name(
    tmp_path: Path, packages: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    released = ROOT / "artifacts" / "mnist-convnet-ipc1" / "records.jsonl"
    assert condense("table", released) == 0
    before = capsys.readouterr().out
    write_package(tmp_path / "site", f"{DATACLASS}class Own(Whole): name = 'dc'", "dc")
    packages(tmp_path / "site")
    assert condense("table", released) == 0
    assert capsys.readouterr().out == before
