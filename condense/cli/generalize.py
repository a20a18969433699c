"""`condense generalize`."""

from condense.cli import options
from condense.cli.common import part, required
from condense.cli.studies import conduct, machine_of
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.files import check_writable
from condense.studies import asked_before
from condense.studies.generalization.config import GeneralizeConfig
from condense.studies.generalization.images import remark
from condense.studies.generalization.request import Request
from condense.studies.generalization.study import Generalization
from condense.study.machine import sources_of


def generalize(chosen: options.Generalize) -> None:
    """Condense generalize"""
    (out,) = required((chosen.out, "--out DIR"))
    config = part(GeneralizeConfig, chosen)
    config.check()
    before = asked_before(Generalization, out)
    if not chosen.dry_run:
        check_writable(out / "study.json")
    machine = machine_of(chosen, sources_of((config.dataset,), part(Reading, chosen)))
    data = machine.load(stored_name(config.dataset))
    if said := remark(data.train.shape):
        machine.say(said)
    fingerprints = before.fingerprints(out) if before else ([], [])
    conduct(Generalization((Request.of(config, data, *fingerprints),)), out, machine, chosen)
