"""`condense matrix`."""

from condense.cli import options
from condense.cli.common import part
from condense.cli.studies import asking, conduct
from condense.config import MatrixConfig
from condense.data.reading import Reading
from condense.studies.matrix.study import Matrix, asked_for


def matrix(chosen: options.Matrix) -> None:
    """Condense matrix"""
    config = part(MatrixConfig, chosen)
    command = asking(Matrix, chosen, config.dataset, part(Reading, chosen))
    conduct(asked_for(config, command.machine), command.out, command.machine, chosen)
