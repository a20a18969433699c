"""`condense score`."""

from pathlib import Path

from condense.cli import options
from condense.cli.common import LearnedFrom, learned_from, part, required
from condense.cli.incoming import dataset_of_foreign, imported, refuse_stated
from condense.cli.studies import asking, conduct
from condense.data.images import DataSet
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.errors import CondenseError, shortened
from condense.formats.incoming import is_foreign
from condense.studies.score.config import ScoreConfig
from condense.studies.score.materials import keep, real_images
from condense.studies.score.study import Score, asked_for
from condense.studies.score.whole import given_whole
from condense.synthetic_set import SyntheticSet


def score(chosen: options.Score) -> None:
    """Condense score"""
    path, _ = required((chosen.set, "SET.h5"), (chosen.out, "--out DIR"))
    learned = None if is_foreign(path) else SyntheticSet.load(path)
    of = _real_images_of(path, learned, chosen)
    command = asking(Score, chosen, (of.dataset,), of.reading)
    source = stored_name(of.dataset)
    data = real_images(command.machine, source, of.train_size, of.seed)
    synthetic = learned or _only(path, data, chosen, of.dataset)
    draw = {"train_size": of.train_size, "draw_seed": of.seed if of.train_size else 0}
    asked = asked_for(part(ScoreConfig, chosen), synthetic, data, source=source, file=path.name, **draw)
    if chosen.whole is not None:
        asked = asked.beside_given(given_whole(chosen.whole, data, asked.network))
    given = asked.earlier_records(command.out)
    conduct(asked, command.out, command.machine, chosen, prepare=lambda: keep(command.out, synthetic, given))


def _real_images_of(path: Path, learned: SyntheticSet | None, chosen: options.Score) -> LearnedFrom:
    """Where the real images of a set are, and how they are read; learned: None for a set of another program."""
    if learned is None:
        reading = part(Reading, chosen)
        return LearnedFrom(**vars(reading), dataset=dataset_of_foreign(path, chosen))
    refuse_stated(path, chosen)
    return learned_from(learned, chosen)


def _only(path: Path, data: DataSet, chosen: options.Score, dataset: str) -> SyntheticSet:
    """The set of another program. Raises `CondenseError` where a file holds several."""
    found = imported(path, data, chosen, dataset)
    if len(found) > 1:
        raise CondenseError(f"{shortened(path)} holds {len(found)} sets, and a score is of one: --only says which.")
    return found[0].set
