"""condense import, and what condense evaluate is given: sets of condense and of other programs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from condense.cli import options
from condense.cli.arguments import flag_of
from condense.cli.common import check_suffix, load, load_as_learned, part, required
from condense.data.images import DataSet
from condense.data.paths import check_apart, there
from condense.data.reading import Reading
from condense.errors import CondenseError, shortened
from condense.files import check_not_taken, refuse_overwrite, taken_files
from condense.formats.incoming import Imported, Stated, is_foreign, sets_of
from condense.synthetic_set import SyntheticSet


def import_sets(chosen: options.Import) -> None:
    """Condense import"""
    path, dataset, out = required((chosen.file, "FILE"), (chosen.dataset, "--dataset DATASET"), (chosen.out, "--out SET.h5"))
    check_suffix(Path(out), ".h5")
    _check_foreign(Path(path))
    check_apart(str(dataset), Path(out))
    data = load(str(dataset), chosen)
    found = imported(Path(path), data, chosen, str(dataset))
    outs = _outs(Path(out), len(found))
    for one in outs:
        refuse_overwrite(one, chosen.force)
    check_not_taken(*outs)
    with taken_files(*outs):
        for one, to in zip(found, outs, strict=True):
            one.set.save(to, force=chosen.force)
    print("\n".join(f"Set:    {to}" for to in outs))


def to_evaluate(path: Path | None, chosen: options.Evaluate) -> tuple[Sequence[SyntheticSet | None], DataSet]:
    """The sets to train networks on, or None for all real images where there is no path; and the real images."""
    if path is not None and is_foreign(path):
        dataset = dataset_of_foreign(path, chosen)
        data = load(dataset, chosen)
        found = imported(path, data, chosen, dataset)
        _check_distinct(found)
        return [one.set for one in found], data
    learned = None if path is None else SyntheticSet.load(path)
    refuse_stated(path, chosen)
    data = load(chosen.dataset or "digits", chosen) if learned is None else load_as_learned(learned, chosen)
    return [learned], data


def dataset_of_foreign(path: Path, chosen: options.Evaluate | options.Score) -> str:
    """The data set that a set of another program was made from. Raises `CondenseError` where the command names none."""
    if chosen.dataset is None:
        raise CondenseError(
            f"{shortened(path)} is no set of condense, so it does not say what it was made from: name it with --dataset."
        )
    return chosen.dataset


def refuse_stated(path: Path | None, chosen: options.Evaluate | options.Score) -> None:
    """Raises `CondenseError` where something is said of a set of condense (None: of real images) that is for others."""
    if stated := part(Stated, chosen).stated:
        what = "real images" if path is None else f"{shortened(path)}, a set of condense, which says it itself"
        raise CondenseError(f"{flag_of(next(iter(stated)))} is for sets of other programs, not for {what}.")


def imported(
    path: Path, data: DataSet, chosen: options.Evaluate | options.Import | options.Score, dataset: str
) -> list[Imported]:
    """The sets of a file; says what was assumed of them, each thing once."""
    found = sets_of(path, data, part(Stated, chosen), dataset=dataset, reading=part(Reading, chosen))
    if not chosen.quiet:
        for sentence in dict.fromkeys(sentence for one in found for sentence in one.assumed):
            print(f"condense: {shortened(path)}: assumed: {sentence}.", file=sys.stderr)
    return found


def _check_foreign(path: Path) -> None:
    """Raises `CondenseError` where there is nothing to import, or a set of condense."""
    if not there(path):
        raise CondenseError(f"There is no file or folder {shortened(path)}.")
    if not is_foreign(path):
        raise CondenseError(f"{shortened(path)}: is an HDF5 file, as those of condense are; these are used as they are.")


def _check_distinct(found: Sequence[Imported]) -> None:
    """Raises `CondenseError` where two sets are the same, as their networks would be recorded twice."""
    names: dict[str, str] = {}
    for one in found:
        same = names.setdefault(one.set.sha256, one.name)
        if same != one.name:
            raise CondenseError(f"{one.name} is the same as {same}; --only takes one of them.")


def _outs(out: Path, count: int) -> list[Path]:
    """Where so many sets go: one where it is said, several with numbers."""
    return [out] if count == 1 else [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, count + 1)]
