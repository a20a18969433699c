"""Dataset condensation: learn a handful of images per class that train a network nearly as well as the whole set.

What is here is imported when it is first used: `import condense` takes a moment, and `load_set` does without PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condense.augmentation.own import register_augmentation
    from condense.condensed import Condensed
    from condense.config import EvaluateConfig, LearnConfig
    from condense.data.catalog import load
    from condense.data.images import DataSet, LabelledImages
    from condense.data.reading import Reading
    from condense.errors import CondenseError
    from condense.events import Epoch, NetworkTested, Step
    from condense.execution import Work
    from condense.networks.registry import register_network
    from condense.pipeline import learn_and_save, run
    from condense.plain_set import PlainSet, load_set
    from condense.records import Record, append_record, read_records
    from condense.report.figures import image_grid
    from condense.report.page import render_page
    from condense.report.rendering import Table, render
    from condense.report.tables import accuracy_table
    from condense.stage_c.learn import Learned, learn
    from condense.stage_c.method import Method, Occasion, setting
    from condense.stage_c.methods import register_method
    from condense.stage_c.problem import Problem
    from condense.stage_t.evaluate import evaluate, evaluate_whole
    from condense.stage_t.own_protocols import register_protocol
    from condense.stage_t.protocols import Protocol, Where
    from condense.statistics import summarise
    from condense.study.cell import Cell, Place, Progress, in_epochs, in_steps
    from condense.study.folder import StudyFolder
    from condense.study.machine import Machine
    from condense.study.study import Study
    from condense.synthetic_set import SyntheticSet
    from condense.tracking import TensorBoard
    from condense.versions import CODE_VERSION as __version__

__all__ = [
    "Cell",
    "CondenseError",
    "Condensed",
    "DataSet",
    "Epoch",
    "EvaluateConfig",
    "LabelledImages",
    "LearnConfig",
    "Learned",
    "Machine",
    "Method",
    "NetworkTested",
    "Occasion",
    "Place",
    "PlainSet",
    "Problem",
    "Progress",
    "Protocol",
    "Reading",
    "Record",
    "Step",
    "Study",
    "StudyFolder",
    "SyntheticSet",
    "Table",
    "TensorBoard",
    "Where",
    "Work",
    "__version__",
    "accuracy_table",
    "append_record",
    "evaluate",
    "evaluate_whole",
    "image_grid",
    "in_epochs",
    "in_steps",
    "learn",
    "learn_and_save",
    "load",
    "load_set",
    "read_records",
    "register_augmentation",
    "register_method",
    "register_network",
    "register_protocol",
    "render",
    "render_page",
    "run",
    "setting",
    "summarise",
]

_NAMES = {
    "augmentation.own": "register_augmentation",
    "condensed": "Condensed",
    "config": "EvaluateConfig LearnConfig",
    "data.catalog": "load",
    "data.images": "DataSet LabelledImages",
    "data.reading": "Reading",
    "errors": "CondenseError",
    "events": "Epoch NetworkTested Step",
    "execution": "Work",
    "networks.registry": "register_network",
    "pipeline": "learn_and_save run",
    "plain_set": "PlainSet load_set",
    "records": "Record append_record read_records",
    "report.figures": "image_grid",
    "report.page": "render_page",
    "report.rendering": "Table render",
    "report.tables": "accuracy_table",
    "stage_c.learn": "Learned learn",
    "stage_c.method": "Method Occasion setting",
    "stage_c.methods": "register_method",
    "stage_c.problem": "Problem",
    "stage_t.evaluate": "evaluate evaluate_whole",
    "stage_t.own_protocols": "register_protocol",
    "stage_t.protocols": "Protocol Where",
    "statistics": "summarise",
    "study.cell": "Cell Place Progress in_epochs in_steps",
    "study.folder": "StudyFolder",
    "study.machine": "Machine",
    "study.study": "Study",
    "synthetic_set": "SyntheticSet",
    "tracking": "TensorBoard",
    "versions": "CODE_VERSION",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, the modules of the package included, and keeps it."""
    stored = "CODE_VERSION" if name == "__version__" else name
    if name in __all__:
        found = getattr(import_module(f"{__name__}.{_HOMES[stored]}"), stored)
        globals()[name] = found
        return found
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
