"""Puts faults into a copy of the package by hand, one at a time, and runs the tests that must fail on each.

    .venv/bin/python scripts/mutation_test.py [WORD]

Every fault is one that tests against the plain twins do not see, as fast path and twin share what is changed. WORD: only
those whose file or new text has it. Ends with code 1 where a fault goes unnoticed, or its old text is no longer there.
"""

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("condense", "tests", "pyproject.toml")
C, T, COSTS = "test_shared_stage_c.py", "test_shared_stage_t.py", "test_shared_costs.py"
SETS, FORMS = "test_set_format_2.py", "test_evaluate_format_2.py"
EXPERIMENT, NUMBERS = "test_shared_generalization.py", "test_published_numbers.py"


@dataclass(frozen=True)
class Fault:
    """A text of a file of the package, what takes its place once, and the file in tests/unit that must fail then."""

    file: str
    old: str
    new: str
    test: str


FAULTS = (
    # The nine that were put in by hand first.
    Fault("stage_c/method.py", "rate * (1 + math.cos", "rate * 2 * (1 + math.cos", C),
    Fault("stage_c/matching.py", "{name: gradient / x.shape[1] for", "{name: gradient / x.shape[0] for", C),
    Fault("statistics.py", "share + 3 * math.sqrt", "share + 2 * math.sqrt", T),
    Fault("stage_t/protocols.py", "Stage(WHOLE_EPOCHS // 2, 0.01)", "Stage(WHOLE_EPOCHS // 2, 0.1)", T),
    Fault("report/published.toml", "44.9±0.5  53.9±0.5", "44.9±0.5  59.3±0.5", NUMBERS),
    Fault(
        "machine.py", "torch.backends.cuda.matmul.allow_tf32 = False", "torch.backends.cuda.matmul.allow_tf32 = True", COSTS
    ),
    Fault("stage_c/precision.py", 'generator(0, "precision probe images"', 'generator(1, "precision probe images"', C),
    Fault("machine.py", "get_device_capability(device) >= (8, 0)", "get_device_capability(device) >= (7, 0)", COSTS),
    Fault("stage_c/methods/dc.py", "SYNTHETIC_COST = 2.5", "SYNTHETIC_COST = 1.5", COSTS),
    # Schedules, rates, images of stage C.
    Fault("stage_c/methods/dc.py", "outer / self.outer_loop", "outer", C),
    Fault("stage_c/methods/dc.py", '0.01 if occasion.network == "MLP" else 0.1', "0.1", C),
    Fault("stage_c/methods/dc.py", "real_batch=256", "real_batch=128", C),
    Fault("stage_c/methods/dc.py", "30: (30, 20)", "30: (30, 25)", C),
    Fault(
        "stage_c/methods/dc.py", '"LeNet": 0.1}.get(occasion.network, 0.5)', '"LeNet": 0.1}.get(occasion.network, 0.1)', C
    ),
    Fault("stage_c/methods/dc.py", '"median" if occasion.network == "MLP"', '"median" if occasion.network == "LeNet"', C),
    Fault("stage_c/methods/dc.py", 'Momentum of the images.", 0.5)', 'Momentum of the images.", 0.9)', C),
    Fault("stage_c/methods/dc.py", "LONGEST = 3.0", "LONGEST = 4.0", C),
    Fault("stage_c/methods/dc.py", "BATCH_NORM_IMAGES = 16", "BATCH_NORM_IMAGES = 32", C),
    Fault(
        "stage_c/methods/dc.py",
        "sum(values) / (problem.data.classes * len(values))",
        "sum(values) / problem.data.classes",
        C,
    ),
    Fault("stage_c/problem.py", "drawn = torch.randn(shape", "drawn = torch.rand(shape", C),
    Fault("stage_c/driver.py", "CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 600.0", C),
    # Draws.
    Fault("randomness.py", '"little") >> 1', '"big") >> 1', C),
    Fault("data/images.py", "keys.topk(min(size, widest), dim=1)", "keys[:, : min(size, widest)].sort(dim=1)", C),
    # Distances, gradients, norms.
    Fault("stage_c/distance.py", "EPSILON = 1e-6", "EPSILON = 1e-8", C),
    Fault("stage_c/distance.py", "for n in synthetic]).sum()", "for n in synthetic]).mean()", C),
    Fault("networks/layers.py", "RUNNING_MOMENTUM = 0.1", "RUNNING_MOMENTUM = 0.9", C),
    Fault("networks/layers.py", "1 + 0.001 * means", "1 + 0.0001 * means", T),
    Fault(
        "networks/layers.py", "bound = (shape[0] * self.kernel**2) ** -0.5", "bound = (shape[0] * self.kernel) ** -0.5", T
    ),
    Fault("networks/layers.py", "6**0.5 * bound if self.he", "2**0.5 * bound if self.he", T),
    # The precision test.
    Fault("stage_c/precision.py", "PROBE_CLASSES, PROBE_IMAGES = 3, 256", "PROBE_CLASSES, PROBE_IMAGES = 3, 25", C),
    Fault("stage_c/precision.py", "PROBE_CLASSES, PROBE_IMAGES = 3, 256", "PROBE_CLASSES, PROBE_IMAGES = 1, 256", C),
    Fault("stage_c/precision.py", "LEAST_COSINE = 0.9999", "LEAST_COSINE = 0.99", C),
    # Recipes and augmentation of stage T, normalisation.
    Fault("stage_t/protocols.py", "epochs=300, learning_rate=0.01", "epochs=300, learning_rate=0.1", T),
    Fault("stage_t/protocols.py", "steps=((152, 0.1),)", "steps=((151, 0.1),)", T),
    Fault("stage_t/protocols.py", "((666, 0.2), (833, 0.2))", "((666, 0.2), (833, 0.1))", T),
    Fault("stage_t/protocols.py", 'law="single"', 'law="several"', T),
    Fault("stage_t/protocols.py", 'DIGITS = ("mnist", "svhn", "digits")', 'DIGITS = ("mnist", "digits")', T),
    Fault("stage_t/protocols.py", "initial=1.0", "initial=0.1", T),
    Fault("training/recipe.py", "(epoch + 1) / (self.warm_up + 1)", "epoch / self.warm_up", T),
    Fault("training/recipe.py", "(epochs - self.warm_up)", "epochs", T),
    Fault("training/recipe.py", "self.end + (1 - self.end)", "self.end + 1", T),
    Fault("training/optimisers.py", "EPSILON = 1e-8", "EPSILON = 1e-7", T),
    Fault("training/variation.py", "labels.argmax(dim=-1)", "labels.argmin(dim=-1)", "test_training.py"),
    Fault("stage_t/protocols.py", "WHOLE_EPOCHS = 30", "WHOLE_EPOCHS = 20", T),
    Fault("augmentation/published.py", "offsets = 0, 2 * CROP_PADDING", "offsets = 0, 2 * CROP_PADDING + 1", T),
    Fault("augmentation/published.py", "SCALE_RANGE = (0.8, 1.2)", "SCALE_RANGE = (0.9, 1.1)", T),
    Fault("augmentation/published.py", "ANGLES = range(-45, 45)", "ANGLES = range(-15, 15)", T),
    Fault("augmentation/published.py", "NOISE_STD = 0.001", "NOISE_STD = 0.01", T),
    Fault(
        "augmentation/published.py",
        "x.mean((1, 3, 4))",
        "x.mean((0, 1, 3, 4), keepdim=True).expand(len(x), 1, -1, 1, 1)[:, 0, :, 0, 0]",
        T,
    ),
    Fault("data/known.py", "(0.2023, 0.1994, 0.2010)", "(0.2470, 0.2435, 0.2616)", T),
    # Costs.
    Fault("execution.py", "ACTIVATION_BUDGET = 2**22", "ACTIVATION_BUDGET = 2**24", COSTS),
    Fault("execution.py", "STEP_SECONDS, TRAINING_RATE = 1e-3, 1e11", "STEP_SECONDS, TRAINING_RATE = 1e-3, 1e12", COSTS),
    Fault("execution.py", "REPAYING_SECONDS = 20.0", "REPAYING_SECONDS = 200.0", COSTS),
    Fault("matrix/probe.py", "PROBED = 10", "PROBED = 100", COSTS),
    Fault("stage_c/methods/dc.py", "(self.outer_loop - 1) * self.inner_loop", "self.outer_loop * self.inner_loop", COSTS),
    Fault("studies/hyperparameters/estimate.py", "TRAINING_PASSES = 3", "TRAINING_PASSES = 2", COSTS),
    Fault("networks/winograd.py", "LEAST_GAIN = 1.15", "LEAST_GAIN = 1.5", COSTS),
    Fault("machine.py", "torch.use_deterministic_algorithms(True, warn_only=True)", "pass", COSTS),
    # Experiments.
    Fault("studies/generalization/runs.py", "DECAY, DECAY_IMAGES = 0.95", "DECAY, DECAY_IMAGES = 0.99", EXPERIMENT),
    Fault("studies/generalization/runs.py", "BATCH = 60", "BATCH = 128", EXPERIMENT),
    Fault("statistics.py", "share + 3 * math.sqrt", "share + 4 * math.sqrt", EXPERIMENT),
    Fault("studies/generalization/images.py", "** -0.5", "** -1.0", EXPERIMENT),
    Fault(
        "studies/generalization/plan.py",
        '"weight decay": {"weight_decay": 5e-4}',
        '"weight decay": {"weight_decay": 1e-4}',
        EXPERIMENT,
    ),
    Fault("data/corrupt.py", "torch.randint(images.classes,", "torch.randint(1,", EXPERIMENT),
    Fault("studies/hyperparameters/rows.py", "self.batch_size / classes if", "self.batch_size if", T),
    Fault("machine.py", "torch.backends.cudnn.allow_tf32 = torch", "torch", COSTS),
    Fault(
        "stage_c/methods/dc.py",
        "recipe = Recipe(stages, batch_size=256",
        "recipe = Recipe(stages, batch_size=10",
        C,
    ),
    Fault("stage_c/distance.py", "len(shape) > 1)", "len(shape) > 2)", C),
    # What a set is, and what is made of it.
    Fault("decoding.py", "cut.permute(2, 4, 0,", "cut.permute(4, 2, 0,", "test_decoding.py"),
    Fault("decoding.py", "align_corners=False", "align_corners=True", "test_decoding.py"),
    Fault("decoding.py", "grey: tuple[float, ...] = (0.5,)", "grey: tuple[float, ...] = (0.0,)", "test_decoding.py"),
    Fault("preprocessing.py", "EPSILON = 0.1", "EPSILON = 0.01", "test_preprocessing.py"),
    Fault("synthetic_set.py", "for tensor in arrays.values():", "for tensor in [self.images]:", SETS),
    Fault("synthetic_set.py", '"decoder": self.decoder.facts(),', '"decoder": {},', SETS),
    Fault("synthetic_set.py", "if min(counts) and max(counts)", "if max(counts)", SETS),
    Fault(
        "stage_t/evaluate.py",
        "images, labels = synthetic.decoded()",
        "images, labels = synthetic.images, synthetic.labels",
        FORMS,
    ),
    Fault("stage_t/evaluate.py", "data = data.whitened_by(synthetic.preprocessing)", "pass", FORMS),
    Fault("data/images.py", ".to(exact) / 255)", ".to(exact))", "test_preprocessing.py"),
    # Numbers of others.
    Fault("report/published.toml", "85.3±1.8", "83.5±1.8", NUMBERS),
    Fault("report/published.toml", "31.6±0.7  40.4±0.6", "31.6±0.7  44.0±0.6", NUMBERS),
    Fault("report/published.toml", "19.5±5.9", "15.9±5.9", NUMBERS),
    Fault("report/published.toml", "70.8±0.2  76.1±0.1", "78.0±0.2  76.1±0.1", NUMBERS),
    Fault("report/published.py", "one.protocol == protocol]", "one.protocol]", NUMBERS),
    Fault("studies/generalization/published.py", '("100.0", "10.12")', '("100.0", "12.10")', NUMBERS),
    Fault("studies/parity/published.py", "98.27", "98.72", NUMBERS),
    Fault("studies/hyperparameters/grids/report-cifar10.toml", "training_loss = 6.047", "training_loss = 6.074", NUMBERS),
)


def noticed(fault: Fault, copy: Path) -> str:
    """'caught', 'MISSED', or that the fault cannot be put in; the copy is as before afterwards."""
    path = copy / "condense" / fault.file
    text = path.read_text()
    if fault.old not in text:
        return "NOT THERE"
    path.write_text(text.replace(fault.old, fault.new, 1))
    code = _code_of_tests(copy, f"tests/unit/{fault.test}")
    path.write_text(text)
    # 1: a test failed; anything else (no such test, a syntax error) is no test that noticed something.
    return {0: "MISSED", 1: "caught"}.get(code, f"NOT RUN (code {code})")


def _code_of_tests(copy: Path, tests: str) -> int:
    """Pytest's exit code in a process that has its libraries already, but nothing of the package."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        os.chdir(copy)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", tests]))
    finally:
        os._exit(code)


def main() -> None:
    """The command line."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [fault for fault in FAULTS if word in fault.file or word in fault.new]
    wrong = 0
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            path = ROOT / name
            shutil.copytree(path, copy / name) if path.is_dir() else shutil.copy(path, copy / name)
        for fault in chosen:
            found = noticed(fault, copy)
            wrong += found != "caught"
            print(f"{found:<10} {fault.file}: {fault.old!r} -> {fault.new!r}", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} faults are caught")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
