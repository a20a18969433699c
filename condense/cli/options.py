"""The options of every command, as one dataclass each: command-line flags and TOML keys are its fields."""

from dataclasses import dataclass, make_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field
from tyro.conf import Positional, arg

from condense.checking import AtLeastOne, Several, Varying
from condense.config import DatasetName, EvaluateConfig, LearnConfig, MatrixConfig, NetworkName, Protocol, Seeds
from condense.data.reading import Reading
from condense.errors import CondenseError, quoted
from condense.formats.incoming.flags import Stated
from condense.formats.outgoing import FormName
from condense.studies import BUILT_IN, study_class
from condense.studies.generalization.config import ALL, ExperimentName, GeneralizeConfig
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.parity.config import Framework, ParityConfig
from condense.studies.score.config import ScoreConfig
from condense.study.study import Study

Threads = Annotated[AtLeastOne, Field(le=1024)]
StudyPath = Positional[Annotated[Path | None, arg(metavar="STUDY")]]
SetPath = Positional[Annotated[Path | None, arg(metavar="SET.h5")]]


@dataclass(frozen=True, kw_only=True)
class Computing:
    """Where and with what it is computed."""

    data_root: Path | None = None
    """Folder of the data sets; by default $CONDENSE_DATA, else the user's cache."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:<index>."""
    threads: Threads | None = None
    """CPU threads; by default as many as there are cores."""
    quiet: bool = False
    """No progress bars, remarks or tables, only results and errors."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Common(Computing):
    """Options of every command that computes."""

    config: Path | None = None
    """TOML file with any of these options; flags override it."""


@dataclass(frozen=True, kw_only=True)
class Conducted(Common):
    """Options of every command that computes the cells of a study."""

    out: Path | None = None
    """Folder of the study; what is done in it already is not done again."""
    dry_run: bool = False
    """Only show what is done, what is missing, and how long it will take."""
    processes: Annotated[AtLeastOne, Field(le=1024)] = 1
    """Cells computed at once, each by a process of its own; the threads are shared among them."""
    devices: Annotated[tuple[str, ...], Several] = ()
    """Devices that the processes take in turn, such as cuda:0,cuda:1."""
    retries: Annotated[int, Field(ge=0, le=100)] = 1
    """How often a cell that fails is tried again, before the others go on without it."""


@dataclass(frozen=True, kw_only=True)
class Learn(LearnConfig, Common):
    """Learn a synthetic set from real images (stage C) and save it."""

    out: Path | None = None
    """File to save the set in (.h5); its record goes beside it (.jsonl)."""
    track: Path | None = None
    """Folder for TensorBoard: losses and images over the steps (docs/tracking.md)."""
    resume: bool = False
    """Continue an interrupted run from its checkpoint."""
    resume_anywhere: bool = False
    """Continue it even under another number of threads, device or version, which its record then says."""
    force: bool = False
    """Replace results that are there already."""


@dataclass(frozen=True, kw_only=True)
class Run(LearnConfig, Common):
    """Learn a synthetic set, train fresh networks on it, and make a page of the results."""

    protocol: Protocol = "published"
    """How networks are trained on the set: published (the authors' code), report (plain SGD, 300 epochs), dsa or idc
    (1,000 epochs with those papers' augmentation), or a TOML file of your own (docs/protocol.md)."""
    seeds: Seeds = 20
    """Networks to train on the set, with seeds 0, 1, ..."""
    out: Path | None = None
    """Folder for the results; by default runs/<dataset>-<network>-ipc<ipc>-<method>-seed<seed>."""
    track: Path | None = None
    """Folder for TensorBoard: losses, images over the steps, accuracies (docs/tracking.md)."""
    resume: bool = False
    """Continue an interrupted run."""
    resume_anywhere: bool = False
    """Continue it even under another number of threads, device or version, which its record then says."""
    force: bool = False
    """Replace results that are there already."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(EvaluateConfig, Stated, Reading, Common):
    """Train fresh networks on a synthetic set (stage T) and record their accuracy on the real test images."""

    set: SetPath = None
    """The synthetic set (.h5), or a file or folder of another program, with --dataset; none with --whole."""
    whole: bool = False
    """Train on all real training images instead, with a recipe of its own whatever --protocol: the upper bound."""
    dataset: DatasetName | None = None
    """Data set of --whole (by default digits) or of a set of another program, or where a set's images lie now if elsewhere
    than when it was learned."""
    out: Path | None = None
    """File the records are appended to (.jsonl)."""
    track: Path | None = None
    """Folder for TensorBoard: the accuracies of networks as they are tested (docs/tracking.md)."""
    resume: bool = False
    """Continue an interrupted evaluation; what the file holds already is not done again."""


@dataclass(frozen=True, kw_only=True)
class Import(Stated, Reading, Common):
    """Save the sets in a file or folder of another program as sets of condense, with where they come from."""

    file: Positional[Annotated[Path | None, arg(metavar="FILE")]] = None
    """File or folder: res_*.pt of VICO, images_best.pt of MTT or DATM, data.pt of IDC, a list [images, labels], .npz,
    .safetensors, or a folder of images (docs/foreign-sets.md)."""
    dataset: DatasetName | None = None
    """Name or path of the real images that it was made from."""
    out: Path | None = None
    """File to save the set in (.h5); of several sets SET-1.h5, SET-2.h5 and so on."""
    force: bool = False
    """Replace sets that are there already."""


@dataclass(frozen=True, kw_only=True)
class Matrix(MatrixConfig, Conducted):
    """Learn sets with some networks, train others on each, and make tables of all pairs."""


@dataclass(frozen=True, kw_only=True)
class Generalize(GeneralizeConfig, Reading, Conducted):
    """What networks fit and what they learn: random labels, random pixels, regularisers (Zhang et al., 2017)."""

    experiment: Positional[Annotated[ExperimentName, arg(metavar="EXPERIMENT")]] = ALL
    """fig1a, fig1b, fig1c, fig2a, fig2b, table1 or all."""


@dataclass(frozen=True, kw_only=True)
class Sweep(SweepConfig, Reading, Conducted):
    """Train a grid of hyper-parameters on a data set, and on small sets in its place, and compare how they rank it."""

    dataset: Positional[Annotated[DatasetName | None, arg(metavar="DATASET")]] = None
    """Name or path of the real images, such as fashion-mnist or cifar10."""


@dataclass(frozen=True, kw_only=True)
class Parity(ParityConfig, Reading, Conducted):
    """Show whether another framework computes the same as PyTorch, step by step, and why not where it does not."""

    framework: Positional[Annotated[Framework | None, arg(metavar="simplenn|keras")]] = None
    """Framework to compare to."""
    simplenn: Path | None = None
    """Checkout of simpleNN, to run the real program in GNU Octave too (with simplenn)."""
    causes_only: bool = False
    """Measure causes without the comparison step by step, as for long runs."""


@dataclass(frozen=True, kw_only=True)
class Score(ScoreConfig, Stated, Reading, Conducted):
    """Say what a set is worth beside random real images and all of them: HLR, IOR, LRS and ARS of DD-Ranking."""

    set: SetPath = None
    """The synthetic set (.h5), or a file or folder of another program, with --dataset."""
    dataset: DatasetName | None = None
    """Data set of a set of another program, or where a set's images lie now if elsewhere than when it was learned."""
    whole: Path | None = None
    """File of records (.jsonl) of condense evaluate --whole, in place of networks to be trained on all real images."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Print results as tables: of files of records, of runs and of studies."""

    records: Positional[Annotated[tuple[Path, ...], arg(metavar="RECORDS.jsonl|DIR")]] = ()
    """Any number of files of records (.jsonl) and folders of runs and studies."""
    format: Literal["text", "markdown", "latex", "html", "csv"] = "text"
    """Format of the table."""
    published: bool = False
    """Of a matrix: published numbers in brackets, and differences to them (tables of records always have them)."""
    bold: Literal["none", "best"] = "none"
    """Of a matrix: set the best of each column in bold (markdown, latex, html)."""


@dataclass(frozen=True, kw_only=True)
class StudyOf(Varying, Conducted):
    """Compute a study of an installed package; without NAME, list those there are."""

    varies_by: ClassVar[str] = "study"
    own: ClassVar[type[Study] | None] = None

    study: Positional[Annotated[str | None, arg(metavar="NAME")]] = None
    """The study, whose own options condense study NAME --help lists."""

    @classmethod
    def kind_for(cls, values: dict[str, Any]) -> type[Self]:
        """The class with the settings of a study as fields. Raises `CondenseError` for an unknown one."""
        name = values.get("study")
        return cls if name is None or cls.own is not None else _of_study(cls, str(name))


@cache
def _of_study(options: type[Any], name: str) -> Any:
    if name in BUILT_IN:
        raise CondenseError(f"The study {quoted(name)} has a command of its own, condense {BUILT_IN[name]}.")
    found = study_class(name)
    own = {"own": found, "__doc__": found.__doc__, "__module__": found.__module__}
    return make_dataclass(options.__name__, [], bases=(found, options), namespace=own, frozen=True, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Cell(Computing):
    """Compute one cell of a study, and nothing else."""

    study: StudyPath = None
    """Folder of the study."""
    key: Positional[Annotated[str | None, arg(metavar="KEY")]] = None
    """The cell, as condense status --all lists it."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Show where a study stands: what is done, running and failed, and the time left."""

    study: StudyPath = None
    """Folder of the study."""
    all: bool = False
    """List every cell with its key."""
    watch: bool = False
    """Show it anew every two seconds, until all is done."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Make the tables, figures and page of a study, or those of a run, anew from what is done."""

    folder: Positional[Annotated[Path | None, arg(metavar="DIR")]] = None
    """Folder of the study or the run."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """Draw the images of a synthetic set."""

    set: SetPath = None
    """The synthetic set (.h5)."""
    out: Path | None = None
    """The picture to write (.png)."""
    force: bool = False
    """Replace a picture that is there already."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write synthetic sets as the files that other programs read, or as pictures."""

    sets: Positional[Annotated[tuple[Path, ...], arg(metavar="SET.h5")]] = ()
    """The synthetic set (.h5); of vico several, repetitions of one experiment."""
    to: FormName | None = None
    """Form of the files (docs/formats.md): vico, mtt, idc, dd-ranking, dc-bench, npz, safetensors, folder or huggingface."""
    out: Path | None = None
    """The file or new folder to write; nothing that is there already is ever replaced."""
    records: Annotated[tuple[Path, ...], Several] = ()
    """Files of records (.jsonl) whose accuracies go with the sets: into the card, and into VICO's file."""
    licence: str | None = None
    """Licence of the real images for the card, where they are your own."""
    lossy: bool = False
    """Write it although the form has no place for something of the set, which is said first."""


@dataclass(frozen=True, kw_only=True)
class Info:
    """Check a synthetic set and print its provenance and statistics."""

    set: SetPath = None
    """The synthetic set (.h5)."""


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Check in two minutes that this machine, above all its GPU, computes what it should, and how fast."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:<index>."""
    threads: Threads | None = None
    """CPU threads; by default as many as there are cores."""
    quiet: bool = False
    """No progress, only what was found."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Datasets:
    """List the data sets known by name, and which are on this machine."""

    data_root: Annotated[Path | None, arg(help="Folder of the data sets.")] = None


@dataclass(frozen=True, kw_only=True)
class Networks:
    """List the networks, with their parameter counts on 28x28 grey and 32x32 colour images."""


@dataclass(frozen=True, kw_only=True)
class Methods:
    """List the methods, distances, schedules, precisions and protocols."""


@dataclass(frozen=True, kw_only=True)
class Experts(Common):
    """Train networks on the real images for methods to draw from, and list those that are kept."""

    dataset: DatasetName | None = None
    """Name or path of the real images; without it those that are kept are only listed."""
    network: NetworkName = "ConvNet"
    """Network to train."""
    count: AtLeastOne = 5
    """How many, with seeds 0, 1, ..."""
    epochs: AtLeastOne = 20
    """Epochs of each; the learning rate falls to a fifth after two and five sixths of them."""
    keep_epochs: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Several] = ()
    """Epochs whose weights are kept beside the initial and the final ones."""
    out: Path | None = None
    """Folder to keep them in; by default $CONDENSE_EXPERTS, where methods look for them, else the user's cache."""


COMMANDS: dict[str, type] = {
    "run": Run,
    "learn": Learn,
    "evaluate": Evaluate,
    "import": Import,
    "matrix": Matrix,
    "generalize": Generalize,
    "sweep": Sweep,
    "parity": Parity,
    "score": Score,
    "study": StudyOf,
    "cell": Cell,
    "status": Status,
    "page": Page,
    "table": Table,
    "show": Show,
    "export": Export,
    "info": Info,
    "doctor": Doctor,
    "datasets": Datasets,
    "networks": Networks,
    "methods": Methods,
    "experts": Experts,
}
