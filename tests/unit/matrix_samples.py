"""A small matrix of digits, computed in this process, for tests."""

from pathlib import Path

import torch

from condense.config import MatrixConfig
from condense.studies import ask_for
from condense.studies.matrix.study import Matrix, asked_for
from condense.study.engine import Attempts, Listener, Worker, run_cells
from condense.study.folder import StudyFolder
from condense.study.machine import Machine

CONFIG = MatrixConfig(learn=("ConvNetW4", "MLP"), train=("MLP", "ConvNetW4"), iterations=2, real_batch=8, seeds=2)
MACHINE = Machine(torch.device("cpu"))
"""Reads each data set once for all tests."""


def study_of(config: MatrixConfig, machine: Machine = MACHINE) -> Matrix:
    """What is asked for, in no folder yet."""
    return asked_for(config, machine)


def asked_in(path: Path, config: MatrixConfig, machine: Machine = MACHINE) -> tuple[Matrix, StudyFolder]:
    """What is asked for in a folder in all, written there."""
    return ask_for(study_of(config, machine), path)


def conducted(path: Path, config: MatrixConfig, machine: Machine = MACHINE) -> list[str]:
    """The keys of the cells that were computed, in order; what fails is raised in the end."""
    study, folder = asked_in(path, config, machine)
    began: list[str] = []
    worker = Worker(folder, study.materials(machine, folder), "cpu", Listener(begins=lambda cell: began.append(cell.key)))
    run_cells(study.cells(), worker, {}, Attempts())
    return began
