"""`condense matrix`."""

from condense.cli import options
from condense.cli.common import part, required
from condense.cli.studies import conduct, machine_of
from condense.config import MatrixConfig
from condense.data.reading import Reading
from condense.pipeline import check_apart
from condense.studies import asked_before, joined
from condense.studies.matrix.study import Matrix, asked_for
from condense.study.folder import StudyFolder
from condense.study.machine import load_sources, sources_of


def matrix(chosen: options.Matrix) -> None:
    """Condense matrix"""
    (out,) = required((chosen.out, "--out DIR"))
    config = part(MatrixConfig, chosen)
    for dataset in config.dataset:
        check_apart(dataset, out)
    asked_before(Matrix, out)
    sources = load_sources(StudyFolder(out).images) | sources_of(config.dataset, part(Reading, chosen))
    machine = machine_of(chosen, sources)
    asked = asked_for(config, machine)
    study, folder = joined(asked, out)
    study.check(study.materials(machine, folder), folder, asked.requests[0])
    conduct(asked, out, machine, chosen)
