"""What pip installs: the built wheel in an environment that holds what it requires and nothing else."""

import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from command_line import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from condense.versions import CODE_VERSION, DISTRIBUTION

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    done([*PIP, "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", out, ROOT], ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, and links to the distributions that it requires, and that these require."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    done([*PIP, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel], folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (stated,) = site.glob("*.dist-info")
    for name in required(stated.joinpath("METADATA").read_text()):
        link(name, site)
    return folder


def required(metadata: str) -> set[str]:
    """The names of all distributions that a wheel of these metadata brings here."""
    lines = [line.partition(":")[2].strip() for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    left, found = [Requirement(line) for line in lines], set[str]()
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        if name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            assert one.specifier.contains(distribution(name).version, prereleases=True)
            found.add(name)
            left += [Requirement(line) for line in distribution(name).requires or ()]
    return found


def link(name: str, site: Path) -> None:
    """Has an environment find a distribution of this one."""
    here = distribution(name)
    tops = {Path(file).parts[0] for file in here.files or () if not str(file).startswith("..")}
    for top in tops - {"__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(here.locate_file(top))))


def done(command: list[object], folder: Path) -> str:
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    found = subprocess.run(
        [str(word) for word in command], cwd=folder, env=plain, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"{DISTRIBUTION.replace('-', '_')}-{CODE_VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as held:
        names = held.namelist()
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "condense").rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert {"condense/py.typed", "condense/report/published.toml"} <= ours


def test_what_it_requires_is_enough_for_the_main_job_from_another_folder(environment: Path, tmp_path: Path) -> None:
    command = environment / "bin" / "condense"
    assert done([command, "--version"], tmp_path) == f"condense {CODE_VERSION}\n"
    python = environment / "bin" / "python"
    place = done([python, "-c", "import condense; print(condense.__file__)"], tmp_path)
    assert Path(place.strip()).is_relative_to(environment)
    absent = "import importlib.util as u; print([n for n in ('pytest', 'hypothesis', 'pandas', 'timm') if u.find_spec(n)])"
    assert done([python, "-c", absent], tmp_path) == "[]\n"
    words = (
        "--dataset",
        "digits",
        "--network",
        "ConvNetW8",
        "--iterations",
        10,
        "--seeds",
        2,
        "--protocol",
        "report",
        "--quiet",
    )
    printed = done([command, "run", *words, "--out", "results"], tmp_path)
    assert "Page:" in printed and (tmp_path / "results" / "page.html").stat().st_size > 10_000
    assert done([python, "-m", "condense", "table", "results", "--format", "csv"], tmp_path).count("digits") >= 1


@pytest.mark.long
def test_pip_brings_all_of_it_into_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    python = tmp_path / "environment" / "bin" / "python"
    done([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], tmp_path)
    assert "digits" in done([python, "-m", "condense", "datasets"], tmp_path)
