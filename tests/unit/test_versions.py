"""Which code produced a result: version, commit, and whether its files were changed."""

import re
import subprocess
from pathlib import Path

import pytest
import torch

from condense import versions
from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.machine import Surroundings
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import evaluate
from condense.versions import CODE_VERSION, Code, code_version, release_of


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    return subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a checkout of its own, all committed."""
    folder = tmp_path / "condense"
    folder.mkdir()
    (folder / "versions.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return folder


def test_commit_and_changes_of_the_package_alone(package: Path) -> None:
    commit = f"+g{git(package, 'rev-parse', 'HEAD')[:12]}"
    (package.parent / "README.md").write_text("not the package")
    assert versions._commit(package) == commit
    (package / "new.py").write_text("")
    assert versions._commit(package) == f"{commit}.dirty"
    (package / "new.py").unlink()
    (package / "versions.py").write_text("changed")
    assert versions._commit(package) == f"{commit}.dirty"


def test_no_commit_outside_a_checkout_or_where_the_package_is_not_part_of_it(package: Path, tmp_path: Path) -> None:
    installed = package.parent / "lib" / "condense"  # such as in a virtual environment within somebody's checkout
    installed.mkdir(parents=True)
    (installed / "versions.py").write_text("")
    assert versions._commit(installed) == ""
    (package.parent / ".git").rename(package.parent / "gone")
    assert versions._commit(package) == ""


def test_variables_of_a_hook_do_not_count(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions._commit(package)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert found and versions._commit(package) == found


def test_without_git_it_is_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert versions.code_version.__wrapped__() == CODE_VERSION


def test_the_release_is_what_work_in_the_middle_depends_on() -> None:
    assert {release_of(f"1.2.0{end}") for end in ("", "+g0123456789ab", "+g0123456789ab.dirty")} == {"1.2.0"}
    assert Surroundings.of(torch.device("cpu")).arithmetic["code_version"] == release_of(code_version())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0.1.0", ("0.1.0", None, None)),
        ("0.1.0+g0123456789ab", ("0.1.0", "0123456789ab", True)),
        ("0.1.0+g0123456789ab.dirty", ("0.1.0", "0123456789ab", False)),
        ("0.1.0+local", ("0.1.0+local", None, None)),
        ("1+ga+gb\n", ("1+ga+gb\n", None, None)),
        ("", ("", None, None)),
    ],
)
def test_the_text_of_a_version_in_parts(text: str, parts: tuple[str, str | None, bool | None]) -> None:
    code = Code.of(text, {"torch": "2"}, "570")
    assert (code.version, code.commit, code.clean) == parts
    assert (code.libraries, code.driver, str(code)) == ({"torch": "2"}, "570", text)


def test_sets_and_records_state_it() -> None:
    assert re.fullmatch(rf"{re.escape(CODE_VERSION)}(\+g[0-9a-f]{{12}}(\.dirty)?)?", code_version())
    data = load("digits")
    learned = learn(LearnConfig(network="MLP", method="random"), data.train)
    (record,) = evaluate(EvaluateConfig(seeds=1, protocol="report"), learned.set, data)
    assert {learned.set.provenance.code_version, learned.record.code_version, record.code_version} == {code_version()}
