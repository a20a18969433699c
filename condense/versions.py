"""Which code produced a result."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pydantic import ConfigDict

DISTRIBUTION = "dataset-condensation"
"""What is installed, as pip calls it."""
CODE_VERSION = version(DISTRIBUTION)


@cache
def code_version() -> str:
    """The version with the commit of a git checkout, such as '0.1.0+g0123456789ab', and '.dirty' where the package's own
    files differ from it; the version alone outside of one.

    Found out once a process, so it is that of the code which runs, unless files change while it does.
    """
    return f"{CODE_VERSION}{_commit(Path(__file__).resolve().parent)}"


@dataclass(frozen=True)
class Code:
    """Which code gave a result.

    commit: of a git checkout, and clean: whether the package's own files were as they are in it; both None outside of one.
    libraries: their versions by name; driver: of the GPU, None on a CPU or where the system does not state it.
    """

    version: str
    commit: str | None
    clean: bool | None
    libraries: dict[str, str]
    driver: str | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    @staticmethod
    def of(text: str, libraries: dict[str, str], driver: str | None = None) -> "Code":
        """From what `code_version` gave; text of another form is a version as a whole."""
        found = re.fullmatch(r"(.*)\+g([0-9a-f]+)(\.dirty)?", text, re.DOTALL)
        if not found:
            return Code(text, None, None, libraries, driver)
        return Code(found[1], found[2], not found[3], libraries, driver)

    def __str__(self) -> str:
        """What `code_version` gave."""
        return f"{self.version}+g{self.commit}{'' if self.clean else '.dirty'}" if self.commit else self.version


def release_of(code: str) -> str:
    """The version alone, of what `code_version` gave: work begun under one commit goes on under another."""
    return code.partition("+")[0]


def _commit(package: Path) -> str:
    """What is added to the version for a package in this folder."""
    own = _git(package, "ls-files", "--error-unmatch", Path(__file__).name)  # not so where it is installed inside a checkout
    commit = _git(package, "rev-parse", "--verify", "HEAD")
    changed = _git(package, "status", "--porcelain", "--", ".")
    if not own or not commit or changed is None:
        return ""
    return f"+g{commit[:12]}{'.dirty' if changed else ''}"


def _git(folder: Path, *words: str) -> str | None:
    """What git says in a folder; None where there is no git, no checkout, or it refuses."""
    # Variables such as GIT_DIR, which a hook sets, are about another checkout.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return found.stdout.strip()


def library_versions() -> dict[str, str]:
    """Versions of everything that can change a number."""
    return {"python": platform.python_version(), **{name: _version(name) for name in ("torch", "numpy", "h5py")}}


_version = cache(version)
"""Looked up once, as the files of a package are read for it."""
