"""`condense parity`."""

from dataclasses import replace
from pathlib import Path

from condense.cli import options
from condense.cli.common import part
from condense.cli.studies import asking, conduct
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.errors import CondenseError, RunFailed
from condense.studies import opened
from condense.studies.parity import keras_process, octave
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.study import CHECKOUT, Parity
from condense.study.machine import Source


def parity(chosen: options.Parity) -> None:
    """Condense parity"""
    config, proof = part(ParityConfig, chosen).resolved(), not chosen.causes_only
    _check_programs(config, chosen.simplenn, proof=proof)
    command = asking(Parity, chosen, (config.dataset,), part(Reading, chosen))
    machine = command.machine
    if chosen.simplenn is not None:
        checkout = Source(str(chosen.simplenn.expanduser().absolute()))
        machine = replace(machine, sources={**machine.sources, CHECKOUT: checkout})
    data = machine.load(stored_name(config.dataset))
    conduct(Parity.asked(config, data, proof=proof, octave=chosen.simplenn is not None), command.out, machine, chosen)
    if not chosen.dry_run:
        _conclude(command.out)


def _check_programs(config: ParityConfig, checkout: Path | None, *, proof: bool) -> None:
    """Raises `CondenseError` where a program that is to be run is not here."""
    if config.framework == "keras" and proof and not keras_process.has_keras():
        raise CondenseError(keras_process.MISSING)
    if checkout is not None:
        if config.framework != "simplenn":
            raise CondenseError("--simplenn belongs to condense parity simplenn; leave it out.")
        octave.check_octave(checkout)


def _conclude(out: Path) -> None:
    """Says what came out in all; raises `RunFailed` where programs do not agree."""
    study, folder = opened(out)
    assert isinstance(study, Parity)
    print(study.headline(folder))
    if study.has_failed(folder):
        raise RunFailed("The runs do not agree; the table and the page say where they part.")
