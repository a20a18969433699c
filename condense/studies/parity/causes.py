"""What may differ between two frameworks' runs, one default at a time, and which claim each row answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from condense.errors import unknown_name
from condense.studies.parity.setting import Setting

Closing = Callable[[Setting, int], Setting]


@dataclass(frozen=True)
class Cause:
    """One change to the aligned run of a base.

    changes: fields of `Setting`; closes: what brings the trajectory back, in words; closing: the changed setting and the
    number of outputs to the setting that does so while the default stays changed, None where only the default itself does
    (the aligned run again could not fail to close);
    claim: what is said about it, and by whom.
    """

    name: str
    base: str
    text: str
    changes: dict[str, Any]
    closes: str = "the default set back"
    closing: Closing | None = None
    claim: str = ""

    def changed(self, setting: Setting) -> Setting:
        """The aligned setting with the one change."""
        return replace(setting, **self.changes)

    def closed(self, setting: Setting, outputs: int) -> Setting | None:
        """The changed setting with what undoes its effect; None where only setting the default back does."""
        return self.closing(self.changed(setting), outputs) if self.closing else None


def _scaled(setting: Setting, factor: float) -> Setting:
    """Rate times a factor, weight decay over it: what undoes a loss divided by that factor, without momentum of decay."""
    return replace(setting, rate=setting.rate * factor, weight_decay=setting.weight_decay / factor)


_KERAS = (
    Cause(
        "epsilon-placement",
        "perceptron",
        "epsilon 1e-7, placed as in PyTorch",
        {"epsilon_as_keras": False},
        claim="report 002: epsilon values may explain a 4 times higher loss",
    ),
    Cause(
        "epsilon-default",
        "perceptron",
        "epsilon 1e-8, PyTorch's default",
        {"epsilon": 1e-8, "epsilon_as_keras": False},
        claim="report 002: epsilon values may explain a 4 times higher loss",
    ),
    Cause("epsilon-large", "perceptron", "epsilon 1e-3 (a control that must show)", {"epsilon": 1e-3}),
    Cause(
        "init-torch",
        "perceptron",
        "initialisation of nn.Linear, weights and biases",
        {"init": "torch"},
        claim="report 002: PyTorch uniform against Keras Glorot uniform; both are uniform, bounds and biases differ",
    ),
    Cause("init-torch-weights", "perceptron", "initialisation of nn.Linear, weights only", {"init": "torch weights"}),
    Cause("init-torch-biases", "perceptron", "initialisation of nn.Linear, biases only", {"init": "torch biases"}),
    Cause(
        "init-he",
        "perceptron",
        "He initialisation, uniform",
        {"init": "he uniform"},
        claim="report 002: He initialisation would normalise the gap; it is only another common one",
    ),
    Cause(
        "softmax-twice",
        "perceptron",
        "softmax before a loss that takes logits",
        {"loss": "softmax twice"},
        "the logarithm of the probabilities (the softmax in the loss then changes nothing)",
        lambda setting, outputs: replace(setting, loss="log of the probabilities"),
        "report 002: validation loss 0.28 against 0.07 at equal accuracy",
    ),
    Cause(
        "reduction-sum", "perceptron", "loss summed over the batch", {"loss": "sum"}, claim="Adam hardly feels a loss' scale"
    ),
    Cause("clip", "perceptron", "probabilities clipped to [1e-7, 1 - 1e-7] as in Keras", {"loss": "clipped"}),
    Cause(
        "decay-decoupled",
        "perceptron",
        "weight decay 0.01, decoupled (AdamW; Keras' Adam with weight_decay)",
        {"weight_decay": 0.01, "decoupled": True},
        claim="report 002 says PyTorch decouples and Keras uses L2: reversed, and both default to none",
    ),
    Cause(
        "decay-coupled",
        "perceptron",
        "weight decay 0.01 in the gradient (PyTorch's Adam)",
        {"weight_decay": 0.01},
        claim="report 002 says PyTorch decouples and Keras uses L2: reversed, and both default to none",
    ),
    Cause("shuffle-seed", "perceptron", "another shuffling seed: the size of chance", {"batches": "another seed"}),
    Cause("no-shuffle", "perceptron", "never shuffled (DataLoader's default)", {"batches": "never shuffled"}),
    Cause("sorted", "perceptron", "never shuffled, sorted by class", {"batches": "sorted"}),
    Cause("sampling", "perceptron", "each batch drawn anew, as simpleNN does", {"batches": "independent"}),
    Cause("last-batch", "perceptron", "last partial batch dropped", {"batches": "last dropped"}),
    Cause("input-scale", "perceptron", "inputs 0 to 255", {"preparation": "raw"}),
    Cause("zero-grad", "perceptron", "zero_grad missing", {"zero_grad": False}),
    Cause(
        "dtype",
        "perceptron",
        "float64",
        {"float64": True},
        claim="report 002: precision may explain the gap",
    ),
    Cause(
        "norm-defaults",
        "batch-norm",
        "BatchNorm with PyTorch's defaults",
        {"norm_momentum": 0.1, "norm_epsilon": 1e-5, "norm_biased": False},
        claim="report 002: BatchNorm may differ; its model has none",
    ),
    Cause("norm-momentum", "batch-norm", "BatchNorm's momentum 0.1 (Keras' is 0.01 so written)", {"norm_momentum": 0.1}),
    Cause("norm-epsilon", "batch-norm", "BatchNorm's epsilon 1e-5 (Keras' is 1e-3)", {"norm_epsilon": 1e-5}),
    Cause("norm-variance", "batch-norm", "BatchNorm's running variance times N/(N-1)", {"norm_biased": False}),
    Cause(
        "broadcast",
        "regression",
        "prediction (N, 1) against target (N,)",
        {"broadcast": True},
        claim="the original question's 400 % higher error",
    ),
)

_SIMPLENN = (
    Cause(
        "reduction-mean",
        "convolution",
        "MSELoss with its default, the mean over elements",
        {"loss": "mean of squares"},
        "rate times the outputs, weight decay divided by them",
        lambda setting, outputs: _scaled(setting, outputs),
        "report 000 used it and gave up on 'sum'; it is simpleNN's loss divided by the outputs",
    ),
    Cause(
        "reduction-sum",
        "convolution",
        "MSELoss with reduction='sum', not divided by the batch",
        {"loss": "sum of squares"},
        "rate divided by the batch, weight decay times it",
        lambda setting, outputs: _scaled(setting, 1 / setting.batch),
        "report 000: 'sum' explodes because the batch is big; the rate is in effect batch times as high",
    ),
    Cause(
        "decay-none",
        "convolution",
        "no weight decay (PyTorch's default; simpleNN's C gives 1/(C N))",
        {"weight_decay": 0.0},
        claim="report 000 took param.decay for weight decay's counterpart; C is",
    ),
    Cause(
        "init-he-uniform",
        "convolution",
        "kaiming_uniform_ in place of the normal law",
        {"init": "he uniform"},
        claim="report 000 names kaiming_uniform_; simpleNN's law is normal",
    ),
    Cause("init-torch", "convolution", "initialisation of PyTorch's layers, weights and biases", {"init": "torch"}),
    Cause("shuffling", "convolution", "epochs that are partitions, last batch partial", {"batches": "partition"}),
    Cause("last-batch", "convolution", "epochs that are partitions, last batch dropped", {"batches": "last dropped"}),
    Cause("preparation", "convolution", "the other preparation of images", {"preparation": "other"}),
    Cause("dtype", "convolution", "float64", {"float64": True}),
)

CAUSES: dict[str, tuple[Cause, ...]] = {"keras": _KERAS, "simplenn": _SIMPLENN}


def chosen_causes(framework: str, names: Sequence[str]) -> list[Cause]:
    """The causes of those names, all for 'all'. Raises `CondenseError` for an unknown one."""
    known = {cause.name: cause for cause in CAUSES[framework]}
    for name in names:
        if name not in known and name != "all":
            raise unknown_name(f"cause of {framework}", name, ["all", *known])
    return list(known.values()) if "all" in names else [known[name] for name in dict.fromkeys(names)]
