"""The kinds of inputs: how one is made from a seed, and what of condense reads it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import fuzz_arrays
import fuzz_checkpoints
import fuzz_folders
import fuzz_studies
import torch

from condense.cli.main import main
from condense.cli.parsing import parse
from condense.data import catalog
from condense.data.images import DataSet
from condense.parity import check
from condense.stage_c.learn import learn
from condense.stage_t.checkpoint import load_tested
from condense.studies.generalization.fit import fit
from condense.studies.hyperparameters.grid import load_grid
from condense.synthetic_set import SyntheticSet

FORMATS = ("text", "markdown", "csv")


@dataclass(frozen=True)
class Kind:
    """make: writes an input into a folder (and may name files of a secret one), gives its path; use: reads it.

    lines, characters: how many lines a refusal may have, and characters a line; more than a few only where all that is wrong
    in a file or a folder is told at once.
    """

    make: Callable[[Random, Path, Path], Path]
    use: Callable[[Path, Random], Any]
    lines: int = 3
    characters: int = 600


def _looked_at(data: DataSet) -> None:
    for part in (data.train, data.test):
        part.inputs(torch.arange(min(2, len(part))))
        assert min(data.train.counts) > 0 and len(part.fingerprint) == 64


def _load(path: Path, random: Random) -> None:
    _looked_at(catalog.load(str(path)))


def _load_published(path: Path, random: Random) -> None:
    _looked_at(catalog.load(path.name, data_root=path.parent))


def _info(path: Path, random: Random) -> None:
    run_command(["info", str(path)])
    found = SyntheticSet.load(path)
    assert found.pixels().shape == found.images.shape and len(found.sha256) == 64
    pixels, labels = found.decoded_pixels()
    assert len(pixels) == len(labels) == len(found.images) * found.decoder.multiple


def _table(path: Path, random: Random) -> None:
    run_command(["table", str(path), "--format", random.choice(FORMATS)])


def _study(path: Path, random: Random) -> None:
    run_command(["status", str(path)])
    _table(path, random)


def _shown(path: Path, random: Random) -> None:
    for words in (("status", "--all"), ("table", "--format", random.choice(FORMATS))):
        run_command([words[0], str(path), *words[1:]])


def _parse(path: Path, random: Random) -> None:
    command = path.stem if path.stem in fuzz_studies.COMMANDS else "learn"
    parse([command, "--config", str(path)])


def _grid(path: Path, random: Random) -> None:
    assert load_grid(str(path)).rows


def _resume(path: Path, random: Random) -> None:
    learn(fuzz_checkpoints.LEARNED, fuzz_checkpoints.tiny_images(), checkpoint=path, resume=True)


def _tested(path: Path, random: Random) -> None:
    found = load_tested(path, fuzz_checkpoints.TESTED_IDENTITY)
    assert all(0 <= accuracy <= 1 for accuracy in found.accuracies.values())


def _fit(path: Path, random: Random) -> None:
    (record,) = fit([fuzz_checkpoints.FITTED], fuzz_checkpoints.standard_images(), checkpoints=path)
    # A state that is not finite may be a run's own: it then ends as one that diverged.
    assert record.notes == ["diverged"] or len(record.series["train_loss"]) == fuzz_checkpoints.FITTED.epochs


def _check(path: Path, random: Random) -> None:
    check(mine=path / "mine.npz", other=path / "right.npz")


def run_command(words: Iterable[str]) -> None:
    """A command in this process; its exit code, where it is not 0, is raised as `SystemExit`."""
    main(list(words))


KINDS = {
    "npz": Kind(fuzz_arrays.make_npz, _load),
    "h5": Kind(fuzz_arrays.make_h5, _load),
    "mat": Kind(fuzz_arrays.make_mat, _load),
    "idx": Kind(fuzz_folders.make_idx, _load_published),
    "images": Kind(fuzz_folders.make_images, _load, characters=1500),
    "parity": Kind(fuzz_arrays.make_parity, _check),
    "set": Kind(fuzz_studies.make_set, _info),
    "records": Kind(fuzz_studies.make_records, _table),
    "study": Kind(fuzz_studies.make_study, _study),
    "parity-folder": Kind(fuzz_studies.make_parity_folder, _shown),
    "toml": Kind(fuzz_studies.make_toml, _parse, lines=20),
    "grid": Kind(fuzz_studies.make_grid, _grid, lines=20),
    "checkpoint": Kind(fuzz_checkpoints.make_checkpoint, _resume),
    "tested": Kind(fuzz_checkpoints.make_tested, _tested),
    "generalization": Kind(fuzz_checkpoints.make_generalization, _fit),
}
