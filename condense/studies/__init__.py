"""What there is to study: a folder or file for each, with its cells and what is reported of them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

from condense.errors import CondenseError, quoted, shortened, unknown_name
from condense.files import refuse_other_files
from condense.study.folder import StudyFolder
from condense.study.study import Study

AnyStudy = TypeVar("AnyStudy", bound=Study)
GROUP = "condense.studies"
"""Entry points of installed packages: kind = "module:Class"."""


BUILT_IN = {"matrix": "matrix", "generalization": "generalize", "sweep": "sweep", "parity": "parity", "score": "score"}
"""The command of each kind of study of this package."""


@cache
def built_in() -> Mapping[str, type[Study]]:
    """The studies of this package, by kind."""
    from condense.studies.generalization.study import Generalization
    from condense.studies.hyperparameters.study import Sweep
    from condense.studies.matrix.study import Matrix
    from condense.studies.parity.study import Parity
    from condense.studies.score.study import Score

    return {study.kind: study for study in (Matrix, Generalization, Sweep, Parity, Score)}


def installed() -> dict[str, EntryPoint]:
    """The studies of installed packages, by kind."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def study_class(kind: str) -> type[Study]:
    """The class of a kind of study, built in or of an installed package. Raises `CondenseError` where there is none."""
    if kind in BUILT_IN:
        return built_in()[kind]
    entries = installed()
    if kind not in entries:
        raise unknown_name("study", shortened(kind, 40), [*BUILT_IN, *entries])
    try:
        found = entries[kind].load()
    except Exception as error:  # whatever the import of a package may raise
        raise CondenseError(
            f"The study {quoted(kind)} of an installed package cannot be imported: {shortened(error, 200)}."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Study)):
        raise CondenseError(f"The study {quoted(kind)} of an installed package is not a class derived from condense.Study.")
    return found


def opened(path: Path) -> tuple[Study, StudyFolder]:
    """The study of a folder, of this version or 0.1. Raises `CondenseError` where there is none, or it is damaged."""
    found = opened_if_there(path)
    if found is None:
        raise CondenseError(f"{shortened(path)} holds no study: there is no study.json.")
    return found


def opened_if_there(path: Path) -> tuple[Study, StudyFolder] | None:
    """The same, None where there is none."""
    study = _found(path)
    return None if study is None else (study, _folder(study, path))


def _folder(study: Study, path: Path) -> StudyFolder:
    """The folder of a study, as far as its records hold."""
    folder = StudyFolder(path, study.earlier_records(path))
    return replace(folder, outdated=study.outdated(folder))


def _found(path: Path) -> Study | None:
    folder = StudyFolder(path)
    if folder.description.exists():
        content = folder.content()
        kind = study_class(str(content.pop("kind")))
        return kind.of(content, f"{shortened(folder.description)} is damaged")
    return _earlier(path)


def _earlier(path: Path) -> Study | None:
    return next((study for kind in built_in().values() if (study := kind.earlier(path)) is not None), None)


def asked_before(kind: type[AnyStudy], path: Path) -> AnyStudy | None:
    """What of this kind was asked for in a folder; None in a new one.

    Raises `CondenseError` where the folder holds another study, or other files.
    """
    before = _found(path)
    if before is None:
        refuse_other_files(StudyFolder(path).description, f"study '{kind.kind}'")
        return None
    if not isinstance(before, kind):
        raise CondenseError(f"{shortened(path)} holds a study '{before.kind}', not '{kind.kind}'. Choose another --out.")
    return before


def joined(study: AnyStudy, path: Path) -> tuple[AnyStudy, StudyFolder]:
    """What is asked for in all, with what was asked for in the folder before. Raises `CondenseError` as `asked_before`."""
    before = asked_before(type(study), path)
    whole = study if before is None else study.joined(before, shortened(path))
    return whole, _folder(whole, path)


def ask_for(study: AnyStudy, path: Path) -> tuple[AnyStudy, StudyFolder]:
    """The same, written down; of several processes that ask at once, each finds what those before it asked for."""
    with StudyFolder(path).described_alone():
        whole, folder = joined(study, path)
        folder.describe(whole.kind, whole.content())
        for key in folder.outdated:
            folder.forget(key)
        return whole, replace(folder, outdated=frozenset())
