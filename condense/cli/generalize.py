"""`condense generalize`."""

from condense.cli import options
from condense.cli.common import part
from condense.cli.studies import asking, conduct
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.studies.generalization.config import GeneralizeConfig
from condense.studies.generalization.images import remark
from condense.studies.generalization.request import Request
from condense.studies.generalization.study import Generalization


def generalize(chosen: options.Generalize) -> None:
    """Condense generalize"""
    config = part(GeneralizeConfig, chosen)
    config.check()
    command = asking(Generalization, chosen, (config.dataset,), part(Reading, chosen))
    data = command.machine.load(stored_name(config.dataset))
    if said := remark(data.train.shape):
        command.machine.say(said)
    fingerprints = command.before.fingerprints(command.out) if command.before else ([], [])
    asked = Generalization((Request.of(config, data, *fingerprints),))
    conduct(asked, command.out, command.machine, chosen)
