"""Methods from the command line: their options, their help, their settings in a file, and what they make."""

import re
from pathlib import Path

import pytest
import torch
from command_line import condense, write_images

from condense.stage_c.methods import BUILT_IN
from condense.synthetic_set import SyntheticSet

IMAGES = {"--iterations", "--real-batch", "--image-learning-rate", "--image-decay", "--image-momentum"}
DC = IMAGES | {"--outer-loop", "--inner-loop", "--image-clip", "--network-learning-rate", "--init", "--distance"}
IDC = (IMAGES - {"--image-momentum"}) | {
    *("--inner-loop", "--factor", "--renewal", "--metric", "--augmentation", "--cutmix", "--network-batches", "--init"),
    "--network-learning-rate",
}
DANCE = (IMAGES - {"--image-momentum"}) | {
    *("--augmentation", "--cross-entropy", "--expert-count", "--expert-epochs", "--factor", "--init", "--pool"),
    "--synthetic-batch",
}
MTT = {
    *("--iterations", "--image-learning-rate", "--image-momentum", "--augmentation", "--expert-count", "--expert-epochs"),
    *("--student-steps", "--matched-epochs", "--start-from", "--start-below", "--rate-learning-rate"),
    *("--student-learning-rate", "--synthetic-batch"),
}
DATM = MTT | {
    *("--first-below", "--growth", "--label-learning-rate", "--label-momentum", "--largest-distance", "--init"),
}
FREPO = {"--iterations", "--real-batch", "--image-learning-rate", "--network-learning-rate", "--pool"} | {
    *("--mirror", "--online-steps"),
}
PACKED = {"--factor", "--packing"}
TRAINED = {"--epochs", "--network-learning-rate"} | PACKED
OWN: dict[str, set[str]] = {
    "dc": DC,
    "dsa": DC | {"--augmentation"},
    "dm": IMAGES | {"--augmentation"},
    "idc": IDC,
    "dream": IDC | {"--candidates", "--rounds"},
    "dance": DANCE,
    "tgdd": DANCE | {"--ahead"},
    "ncfm": DANCE | {"--amplitude", "--expert-batch", "--frequencies", "--image-optimiser", "--image-weight-decay"},
    "mtt": MTT,
    "tesla": MTT,
    "datm": DATM,
    "frepo": FREPO,
    "random": PACKED,
    "random-soft": {"--expert-epochs", "--network-learning-rate"},
    "herding": TRAINED,
    "k-center": TRAINED,
    "kmeans": TRAINED,
    **dict.fromkeys(("forgetting", "el2n", "grand"), TRAINED | {"--networks"}),
}
WORDS = ("--network", "MLP", "--quiet")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz")


@pytest.mark.parametrize("command", ["learn", "run", "matrix"])
@pytest.mark.parametrize("method", BUILT_IN)
def test_help_lists_the_options_of_a_method(
    method: str, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert condense(command, "--method", method, "--help") == 0
    listed = set(re.findall(r"^[│ ]*(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert {"--ipc", "--precision", "--method"} <= listed
    assert listed & set.union(*OWN.values()) == OWN[method]


def said(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    capsys.readouterr()
    assert condense(*words) == 2
    return capsys.readouterr().err.replace("condense: ", "").splitlines()


def test_options_that_a_method_does_not_have(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = ("--out", tmp_path / "a.h5")
    (sentence,) = said(capsys, "learn", "--method", "dm", "--outer-loop", 3, *out)
    assert sentence.startswith("Unknown option of condense learn --method dm '--outer-loop'.")
    assert "(condense learn --method dm --help lists all options)" in sentence
    found = said(capsys, "learn", "--method", "herding", "--epochs", 0, "--ipc", 0, "--epoch", 3, *out)
    assert [line.split()[0] for line in found] == ["Unknown", "--ipc", "--epochs"]
    assert "Unknown method 'dcc'. Did you mean 'dc'?" in said(capsys, "learn", "--method", "dcc", *out)[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        'method = "dm"\niterations = 2\nreal_batch = 4\n',
        '[method]\nname = "dm"\niterations = 2\nreal_batch = 4\n',
        'iterations = 2\n[method]\nname = "dm"\nreal_batch = 4\n',
    ],
)
def test_settings_of_a_method_in_a_file(text: str, images: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    words = ("--dataset", images, *WORDS, "--config", tmp_path / "a.toml", "--out", tmp_path / "a.h5")
    assert condense("learn", *words, "--real-batch", 5) == 0
    facts = SyntheticSet.load(tmp_path / "a.h5").provenance
    assert (facts.method, facts.config["iterations"], facts.config["real_batch"]) == ("dm", 2, 5)


def test_mistakes_in_the_table_of_a_method(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    words = ("learn", "--config", file, "--out", tmp_path / "a.h5")
    file.write_text('real_batch = 3\n[method]\nname = "dm"\nreal_batch = 4\n')
    assert said(capsys, *words) == [f"{file}: real_batch is there twice, in [method] and outside of it."]
    file.write_text('[method]\nname = "dm"\nouter_loop = 4\niterations = -1\n')
    found = said(capsys, *words)
    assert [line.split(" = ")[0].split(": Unknown")[0] for line in found] == [f"{file}: iterations", f"{file}: outer_loop"]
    file.write_text('[method]\nname = "dsa"\nreal_batch = 4\n')
    (sentence,) = said(capsys, *words, "--method", "dm")
    assert sentence == f"{file}: [method] has settings of 'dsa', and --method is 'dm': leave one of them out."
    for text in ('[method]\nname = "dm"\nmethod = "dsa"\n', '[method]\nmethod = "dm"\n'):
        file.write_text(text)
        assert said(capsys, *words) == [f"{file}: method.method: in the table [method] the method is called name."]
    file.write_text('[method]\nname = "dmm"\n')
    assert "Unknown method 'dmm'" in said(capsys, *words)[0]


def test_herding_and_k_center_first_take_the_same_image(images: Path, tmp_path: Path) -> None:
    for method in ("herding", "k-center"):
        words = ("--dataset", images, *WORDS, "--method", method, "--epochs", 2, "--out", tmp_path / f"{method}.h5")
        assert condense("learn", *words) == 0
    one, other = (SyntheticSet.load(tmp_path / f"{method}.h5") for method in ("herding", "k-center"))
    assert torch.equal(one.images, other.images) and one.provenance.method != other.provenance.method
