"""Dataset condensation: learn a handful of images per class that train a network nearly as well as the whole set."""

from condense.condensed import Condensed
from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet, LabelledImages
from condense.data.reading import Reading
from condense.errors import CondenseError
from condense.execution import Work
from condense.pipeline import learn_and_save, run
from condense.records import Record, append_record, read_records
from condense.report.figures import image_grid
from condense.report.page import render_page
from condense.report.rendering import render
from condense.report.tables import accuracy_table
from condense.stage_c.learn import Learned, learn
from condense.stage_c.method import Method, Occasion, setting
from condense.stage_c.problem import Problem
from condense.stage_t.evaluate import evaluate, evaluate_whole
from condense.stage_t.protocols import Protocol, Where
from condense.statistics import summarise
from condense.study.cell import Cell, Place, Progress
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.study.study import Study
from condense.synthetic_set import SyntheticSet
from condense.versions import CODE_VERSION as __version__

__all__ = [
    "Cell",
    "CondenseError",
    "Condensed",
    "DataSet",
    "EvaluateConfig",
    "LabelledImages",
    "LearnConfig",
    "Learned",
    "Machine",
    "Method",
    "Occasion",
    "Place",
    "Problem",
    "Progress",
    "Protocol",
    "Reading",
    "Record",
    "Study",
    "StudyFolder",
    "SyntheticSet",
    "Where",
    "Work",
    "__version__",
    "accuracy_table",
    "append_record",
    "evaluate",
    "evaluate_whole",
    "image_grid",
    "learn",
    "learn_and_save",
    "load",
    "read_records",
    "render",
    "render_page",
    "run",
    "setting",
    "summarise",
]
