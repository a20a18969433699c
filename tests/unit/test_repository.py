"""Rules about the repository itself: versions agree, links resolve, imports point one way.

The last test shows that each rule can fail.
"""

import ast
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import condense

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text()
    for path in sorted((ROOT / "condense").rglob("*.py"))
}
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "artifacts/**/*.md") for path in ROOT.glob(pattern))
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]
LONGEST = 400

LAYERS = (
    ("errors", "names", "versions", "randomness"),
    ("calibration", "files", "hdf5", "machine", "memory", "own", "sizes", "source", "texts"),
    (
        "records",
        "record_settings",
        "old_records",
        "statistics",
        "sealed",
        "decoding",
        "preprocessing",
        "provenance",
        "set_file",
        "condensed",
        "given",
        "picture",
        "plain_set",
        "synthetic_set",
        "events",
    ),
    ("data", "networks"),
    ("checking", "execution"),
    ("augmentation",),
    ("training",),
    ("config", "stage_c", "stage_t"),
    ("pipeline", "report", "tracking"),
    ("formats",),
    ("study",),
    ("studies",),
    ("parity",),
    ("", "reference"),
    ("doctor",),
    ("cli",),
    ("__main__",),
)
"""What may be imported, lowest first: what belongs to a layer imports from it and from those before it; ""
is condense itself."""
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def changelog_version(text: str) -> str:
    return re.findall(r"^## \[(\d[^]]*)\]", text, re.MULTILINE)[0]


def citation_version(text: str) -> str:
    return re.findall(r"^version: (\S+)$", text, re.MULTILINE)[0]


def local_links(page: str) -> list[str]:
    """The targets of a page's links and pictures that are files, without their anchors; code is no link."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page, flags=re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)", prose)]
    return [target for target in targets if target and not re.match(r"[a-z]+:", target)]


def broken_links(page: Path) -> list[str]:
    return [target for target in local_links(page.read_text()) if not (page.parent / target).exists()]


def too_long(modules: dict[str, str]) -> list[str]:
    return [name for name, source in modules.items() if len(source.splitlines()) > LONGEST]


def without_docstring(modules: dict[str, str]) -> list[str]:
    return [name for name, source in modules.items() if not ast.get_docstring(ast.parse(source))]


def imports(source: str) -> set[str]:
    """Dotted names of all that a module imports from condense, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "Relative imports are not used here, and this check does not follow them."
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "condense"}


def upward_imports(modules: dict[str, str]) -> list[str]:
    """Imports from a layer above the importer's own."""
    wrong = []
    for name, source in modules.items():
        rank = RANKS.get(package(name), -1)
        wrong += [f"{name}: {found}" for found in imports(source) if RANKS.get(imported(found), -1) > rank]
    return wrong


def without_rank(modules: dict[str, str]) -> set[str]:
    """Modules and packages that no layer names, whose imports nothing would hold."""
    return {package(name) for name in modules} - set(RANKS)


def reference_imports(modules: dict[str, str]) -> list[str]:
    """Imports of the slow twins from outside them, but by what compares with them on the user's machine."""
    own = {name: source for name, source in modules.items() if package(name) not in ("reference", "doctor")}
    return [f"{name}: {found}" for name, source in own.items() for found in imports(source) if package(found) == "reference"]


def package(name: str) -> str:
    """'data' of 'condense.data.images'; empty for condense itself."""
    return next(iter(name.split(".")[1:]), "")


def imported(name: str) -> str:
    """The same of what is imported: a name that is no module is one that condense itself holds."""
    return found if (found := package(name)) in RANKS else ""


def syntax_error(script: Path) -> str:
    return subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True).stderr


def loaded_modules(statement: str) -> list[str]:
    """The modules that are loaded after a statement in a fresh interpreter."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_versions_agree():
    assert changelog_version((ROOT / "CHANGELOG.md").read_text()) == condense.__version__
    assert citation_version((ROOT / "CITATION.cff").read_text()) == condense.__version__


def test_links_of_all_pages_resolve():
    assert sum(len(local_links(page.read_text())) for page in PAGES) >= 5
    assert {page: broken for page in PAGES if (broken := broken_links(page))} == {}


def test_modules_are_short_and_say_what_they_are():
    assert len(MODULES) > 30
    assert too_long(MODULES) == []
    assert without_docstring(MODULES) == []


def test_imports_point_one_way():
    assert all(any(package(name) == known for name in MODULES) for known in RANKS), "A layer names a package that is gone."
    assert sum(package(found) in RANKS for source in MODULES.values() for found in imports(source)) > 50
    assert without_rank(MODULES) == set()
    assert upward_imports(MODULES) == []


def test_the_reference_is_used_by_tests_and_the_doctor_alone():
    assert any(package(name) == "reference" for name in MODULES)
    assert reference_imports(MODULES) == []
    loaded = loaded_modules("import condense.cli.commands")
    assert {"condense.training.engine", "condense.stage_c.learn"} <= set(loaded)
    assert [name for name in loaded if name.startswith("condense.reference")] == []
    # Each takes a second or so, and most commands need none of them.
    assert {"torchvision", "torch._dynamo", "scipy.stats", "sklearn", "matplotlib", "kornia"} & set(loaded) == set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_parse_and_can_be_run(script):
    assert syntax_error(script) == ""
    assert script.stat().st_mode & 0o111


def test_the_scripts_are_found():
    assert {"setup.sh", "quickstart.sh", "test.sh", "run"} <= {script.name for script in SCRIPTS}


def test_files_that_are_not_python_come_with_the_package():
    assert files("condense").joinpath("py.typed").is_file()
    assert "{{" in files("condense").joinpath("report", "page.html.jinja").read_text()


def test_every_rule_can_fail(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("[gone](gone.md#part) ![picture](gone.png) [here](page.md) [web](https://example.org) `[code](no.md)`")
    assert broken_links(page) == ["gone.md", "gone.png"]
    assert changelog_version("## [Unreleased]\n## [0.2.0] - 2027\n## [0.1.0] - 2026") == "0.2.0"
    assert citation_version("cff-version: 1.2.0\nversion: 0.3.0\n") == "0.3.0"
    assert too_long({"condense.long": "x = 1\n" * (LONGEST + 1), "condense.short": "x = 1\n" * LONGEST}) == ["condense.long"]
    assert without_docstring({"condense.silent": "x = 1", "condense.data": '"""Data."""'}) == ["condense.silent"]
    upward = {
        "condense.data.images": "def f():\n    from condense import training",
        "condense.training.engine": "import condense.stage_c.learn\nfrom condense.networks.layers import Layer",
        "condense.report.page": "from condense.cli.main import main",
        "condense.pipeline": "from condense.stage_t import evaluate\nimport torch",
        "condense.records": "from condense.config import LearnConfig",
        "condense.files": "from condense import LearnConfig",
    }
    assert upward_imports(upward) == [
        "condense.data.images: condense.training",
        "condense.training.engine: condense.stage_c.learn",
        "condense.report.page: condense.cli.main.main",
        "condense.records: condense.config.LearnConfig",
        "condense.files: condense.LearnConfig",
    ]
    assert without_rank({"condense.data.new": "", "condense.new": "", "condense": ""}) == {"new"}
    twins = {"condense.report.page": "from condense import reference", "condense.reference.x": "import condense.reference.y"}
    assert reference_imports(twins) == ["condense.report.page: condense.reference"]
    assert "condense.reference.networks" in loaded_modules("import condense.reference.networks")
    script = tmp_path / "broken.sh"
    script.write_text("if true; then echo")
    assert "syntax error" in syntax_error(script)
