"""Every number of others against a second copy, taken down from the sources as they print them, not from the package."""

import re

import pytest

from condense.errors import CondenseError
from condense.report.published import WHOLE_SET, Published, parse_published, published_accuracy, published_numbers
from condense.stage_t.protocols import PROTOCOLS
from condense.studies.generalization.published import TABLE_1, TRAINING_IMAGES
from condense.studies.hyperparameters.grid import load_grid
from condense.studies.parity.published import EPOCHS, PRINTED, RATES, SETTINGS

README_AND_KIP = """
mnist          91.7±0.5 97.4±0.2 98.8±0.1
fashion-mnist  70.5±0.6 82.3±0.4 83.6±0.4
svhn           31.2±1.4 76.1±0.6 82.3±0.3
cifar10        28.3±0.5 44.9±0.5 53.9±0.5
cifar100       12.8±0.3 25.2±0.3
"""
"""ConvNet, learned and trained, 1, 10 and 50 images per class."""

OTHERS_AT_1_10_50 = """
dsa      mnist         88.7±0.6 97.8±0.1 99.2±0.1
dsa      fashion-mnist 70.6±0.6 84.6±0.3 88.7±0.2
dsa      svhn          27.5±1.4 79.2±0.5 84.4±0.4
dsa      cifar10       28.8±0.7 52.1±0.5 60.6±0.5
dsa      cifar100      13.9±0.3 32.3±0.3 42.8±0.4
dm       cifar10       26.0±0.8 48.9±0.6 63.0±0.4
dm       fashion-mnist 70.7±0.6 83.5±0.3 88.1±0.6
dm       cifar100      11.4±0.3 29.7±0.3 43.6±0.4
random   fashion-mnist 51.4±3.8 73.8±0.7 82.5±0.7
random   cifar10       14.4±2.0 26.0±1.2 43.4±1.0
random   cifar100      4.2±0.3  14.6±0.5 30.0±0.4
herding  fashion-mnist 67.0±1.9 71.1±0.7 71.9±0.8
herding  cifar10       21.5±1.2 31.6±0.7 40.4±0.6
herding  cifar100      8.4±0.3  17.3±0.3 33.7±0.5
k-center fashion-mnist 66.9±1.8 54.7±1.5 68.3±0.8
k-center cifar10       21.5±1.3 14.7±0.9 27.0±1.4
k-center cifar100      8.3±0.3  7.1±0.2  30.5±0.3
"""
"""ConvNet, learned (or looked at) and trained, as DSA's README with the KIP paper, and PAD's, DANCE's and NCFM's tables."""

PAPER_TABLE_2 = """
           MLP       ConvNet   LeNet     AlexNet
MLP        70.5±1.2  63.9±6.5  77.3±5.8  70.9±11.6
ConvNet    69.6±1.6  91.7±0.5  85.3±1.8  85.1±3.0
LeNet      71.0±1.6  90.3±1.2  85.0±1.7  84.7±2.4
AlexNet    72.1±1.7  87.5±1.6  84.0±2.8  82.7±2.9
"""

REPORT_TABLE_2 = """
                MLP       ConvNet   lenet-classic  alexnet-classic
MLP             66.8±0.7  68.5±2.2  10.9±3.0       10.3±3.6
ConvNet         72.8±1.0  87.7±0.7  9.6±2.8        11.7±2.9
lenet-classic   47.6±3.6  53.8±5.4  11.7±3.4       10.4±2.0
alexnet-classic 21.2±4.2  62.3±3.4  25.0±10.1      19.5±5.9
"""

REPORT_TABLE_3 = """
         MLP       ConvNet   LeNet     AlexNet
LeNet    74.3±0.9  82.9±1.2  70.8±8.5  75.5±1.1
AlexNet  75.4±0.6  82.9±1.5  73.7±3.3  75.6±1.5
"""

ZHANG_TABLE_1 = {
    "small-inception": "100.0/89.05 100.0/89.31 100.0/86.03 100.0/85.75 100.0/9.78",
    "small-inception-nobn": "- - 100.0/83.00 100.0/82.00 100.0/10.12",
    "small-alexnet": "99.90/81.22 99.82/79.66 100.0/77.36 100.0/76.07 99.82/9.86",
    "mlp-3x512": "- - 100.0/53.35 100.0/52.39 100.0/10.48",
    "mlp-1x512": "- - 99.80/50.39 100.0/50.51 99.34/10.61",
}
"""With crop and weight decay, crop, weight decay, neither, random labels: training/test, as printed."""

COURSE_REPORT = {
    ("mnist", "MATLAB", 500): "0.9768",
    ("mnist", "PyTorch", 500): "0.9788 0.9801 0.9795 0.9803 0.9827 0.9784 0.9785 0.9790 0.9792 0.9810",
    ("cifar10", "MATLAB", 500): "0.4490",
    ("cifar10", "PyTorch", 100): "0.4302 0.4345 0.4275 0.4302 0.4371 0.4226 0.4266 0.4248 0.4319 0.4173",
    ("cifar10", "PyTorch", 500): "0.3824 0.3833 0.3762 0.3732 0.3870 0.3855 0.3885 0.3921 0.3872 0.3717",
}

LAB_REPORT = {
    "report-fashion-mnist": """
        1  256 0.01 10 10 0     89.482 0.291  87.59 945 92.33
        2  256 0.01 10 10 0.001 88.873 0.314  86.92 945 91.23
        3  256 0.01 32 10 0.001 89.237 0.9547 87.21 945 31.13
        4  256 0.01 8  15 0.001 90.730 0.206  87.89 945 171.99
        5  256 0.01 20 20 0.001 91.005 0.508  88.21 949 93.97
        6  128 0.01 10 10 0     88.889 0.309  87.02 947 91.14
        7  128 0.01 10 15 0     90.290 0.270  87.75 947 135.86
        8  128 0.01 10 15 0.001 89.212 0.305  87.17 947 134.51
        9  360 0.01 10 10 0     89.938 0.279  87.56 941 89.74
        10 360 0.01 10 15 0.001 89.778 0.290  87.62 941 141.20""",
    "report-cifar10": """
        1  256 0.01  50  20 0     57.146 6.047  47.77 1347 34.01
        2  256 0.01  50  50 0     68.766 4.485  48.44 1347 79.32
        3  256 0.01  10  20 0     59.060 1.169  48.78 1351 156.99
        4  256 0.01  15  20 0.001 56.902 1.838  47.58 1351 107.15
        5  256 0.015 10  20 0.001 54.700 1.278  47.75 1351 158.65
        6  512 0.01  25  10 0     54.21  3.253  47.99 1367 33.66
        7  512 0.01  128 50 0     62.860 13.626 48.70 1367 32.48
        8  512 0.01  128 20 0.001 53.636 16.869 47.73 1367 14.35
        9  512 0.01  25  20 0.001 60.480 2.828  48.49 1367 63.34
        10 512 0.02  10  20 0.001 54.560 1.284  46.67 1367 163.37""",
}
"""Row, hidden units, rate, batch, epochs, constant, training accuracy and loss, test accuracy, MiB, seconds."""


def numbers(text: str) -> tuple[float, float]:
    """Mean and deviation of '70.5±1.2'."""
    mean, deviation = re.fullmatch(r"([\d.]+)±([\d.]+)", text).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return float(mean), float(deviation)


def cells(table: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Printed cells by (row, column)."""
    header, *lines = table.strip().splitlines()
    rows = ((name, values) for name, *values in map(str.split, lines))
    return {(name, column): numbers(v) for name, values in rows for column, v in zip(header.split(), values, strict=True)}


def test_the_papers_convnet() -> None:
    found = 0
    for line in README_AND_KIP.strip().splitlines():
        dataset, *values = line.split()
        for ipc, value in zip((1, 10, 50), values, strict=False):
            published = published_accuracy(dataset, "dc", ipc, "ConvNet", "ConvNet")
            assert published and (published.mean, published.std, published.n) == (*numbers(value), "5 × 20")
            found += 1
    assert found == 14
    assert published_accuracy("cifar100", "dc", 50, "ConvNet", "ConvNet") is None


@pytest.mark.parametrize(
    ("table", "protocol"), [(PAPER_TABLE_2, "published"), (REPORT_TABLE_2, "report"), (REPORT_TABLE_3, "report")]
)
def test_cross_architecture_tables(table: str, protocol: str) -> None:
    for (learned, trained), expected in cells(table).items():
        published = published_accuracy("mnist", "dc", 1, learned, trained, protocol)
        assert published and (published.mean, published.std) == expected, (learned, trained)
        assert published.protocol == protocol
    for other in ((10, learned, trained), (1, "VGG11BN", "MLP"), (1, "MLP", "ResNet18")):
        if other[1:] != ("ConvNet", "ConvNet"):
            assert published_accuracy("mnist", "dc", *other, protocol) is None


@pytest.mark.parametrize("line", OTHERS_AT_1_10_50.strip().splitlines(), ids=lambda line: "-".join(line.split()[:2]))
def test_other_methods(line: str) -> None:
    method, dataset, *values = line.split()
    network = None if method == "random" else "ConvNet"
    for ipc, value in zip((1, 10, 50), values, strict=True):
        published = published_accuracy(dataset, method, ipc, network, "ConvNet")
        assert published and (published.mean, published.std) == numbers(value)
        assert published.protocol == ("dsa" if method in ("dsa", "dm") else "published")
        assert published_accuracy(dataset, method, ipc, network, "LeNet") is None
    assert published_accuracy(dataset, method, 20, network, "ConvNet") is None


def test_numbers_from_memory_stay_out() -> None:
    for method, dataset in [
        ("dm", "mnist"),
        ("dm", "svhn"),
        ("herding", "mnist"),
        ("k-center", "svhn"),
        ("random", "mnist"),
    ]:
        assert published_accuracy(dataset, method, 1, "ConvNet", "ConvNet") is None
    kept = {(one.method, one.dataset) for one in published_numbers()}
    from_memory = {("edc", "cifar10"), ("rfad", "cifar10"), ("m3d", "mnist"), ("dream", "svhn"), ("frepo", "mnist")}
    assert not kept & from_memory and not any("vgg11" in (one.learned_with or "").lower() for one in published_numbers())


REPORT_TABLE_1 = """
mnist          87.1±0.5 95.7±0.1
fashion-mnist  68.1±0.2 80.9±0.2
svhn           31.4±0.7 74.3±0.4
cifar10        29.3±0.6 43.1±0.3
"""
"""ConvNet, 1 and 10 images per class; on one MNIST image per class Table 2, which comes first, has another."""


@pytest.mark.parametrize("line", REPORT_TABLE_1.strip().splitlines(), ids=lambda line: line.split()[0])
def test_the_reports_convnet_stands_beside_results_under_its_protocol_alone(line: str) -> None:
    dataset, *values = line.split()
    for ipc, value in zip((1, 10), values, strict=True):
        of_report = published_accuracy(dataset, "dc", ipc, "ConvNet", "ConvNet", "report")
        of_paper = published_accuracy(dataset, "dc", ipc, "ConvNet", "ConvNet", "idc")
        expected = (87.7, 0.7) if (dataset, ipc) == ("mnist", 1) else numbers(value)
        assert of_report and (of_report.mean, of_report.std, of_report.kind) == (*expected, "reported")
        assert of_paper and (of_paper.protocol, of_paper.kind) == ("published", "published")


SPOT = """
dance        cifar10        ConvNet   10   70.8±0.2
ncfm         cifar100       ConvNet   50   54.7±0.2
dream        fashion-mnist  ConvNet   1    81.3±0.2
idm          cifar10        ConvNet   10   58.6±0.1
m3d          cifar100       ConvNet   10   42.4±0.2
iid          cifar100       ConvNet   50   51.3
dsdm         cifar10        ConvNet   50   75.8±0.3
cafe         fashion-mnist  ConvNet   50   84.8±0.4
cafe+dsa     cifar10        ConvNet   10   50.9±0.5
datadam      cifar10        ConvNet   1    32.0±1.2
idc          svhn           ConvNet   10   87.5
idc-i        cifar10        ConvNet   50   69.5
tesla        imagenet-1k    ConvNetD4 10   17.8±1.3
ftd          cifar10        ConvNet   50   73.8±0.2
datm         cifar10        ConvNet   1000 85.5±0.4
pad          tiny-imagenet  ConvNetD4 50   41.6±0.4
mtt          cifar100       ConvNet   10   40.1±0.4
frepo        cifar10        ConvNet   10   65.5±0.4
rcig         cifar10        ConvNet   1    53.9±1.0
rat-bptt     cifar10        ConvNet   10   69.4±0.4
rded         imagenet-1k    ResNet-18 50   56.5
random+soft  cifar10        ConvNet   50   62.1±0.5
forgetting   cifar10        ConvNet   1    13.5±1.2
"""
"""Method, data set, network trained, images per class, mean with deviation, as the papers print them."""


@pytest.mark.parametrize("line", SPOT.strip().splitlines(), ids=lambda line: "-".join(line.split()[:2]))
def test_numbers_of_other_methods(line: str) -> None:
    method, dataset, network, ipc, value = line.split()
    found = [
        (one.mean, one.std)
        for one in published_numbers()
        if (one.method, one.dataset, one.trained_with, one.ipc) == (method, dataset, network, int(ipc))
    ]
    assert (numbers(value) if "±" in value else (float(value), None)) in found


def test_every_number_says_where_it_was_read_and_how_it_was_obtained() -> None:
    found = published_numbers()
    assert len(found) == 663
    assert all(one.source and one.paper and one.protocol and 0 <= one.mean <= 100 for one in found)
    others = {"its own", "not stated", "DC-BENCH, best augmentation", "DC-BENCH, mean over augmentations"}
    assert {one.protocol for one in found} == {*PROTOCOLS, *others}
    assert all(one.ipc or one.method == WHOLE_SET for one in found)
    assert {one.n for one in found} == {None, "5 × 20"}  # no other source says
    assert not any("memory" in one.source for one in found)


def test_a_number_under_a_protocol_that_is_not_ours_stands_nowhere() -> None:
    for protocol in (*PROTOCOLS, "whole"):
        for method in ("dance", "ncfm", "datm", "random+soft", "mtt"):
            assert published_accuracy("cifar10", method, 10, "ConvNet", "ConvNet", protocol) is None
    of_idc = published_accuracy("cifar10", "idc", 10, "ConvNet", "ConvNet", "idc")
    assert of_idc and of_idc.mean == 67.5
    assert published_accuracy("cifar10", "idc", 10, "ConvNet", "ConvNet", "dsa") is None
    more = published_accuracy("cifar10", "dm", 200, "ConvNet", "ConvNet", "dsa")
    assert more and (more.mean, more.std) == (71.2, 0.4)


RIGHT = """
[papers.one]
authors = "Somebody"
title = "A title"
venue = "2020"
read = "its text"
[[tables]]
paper = "one"
table = "3"
protocol = "published"
numbers = '''
method  dataset  | ipc: 1    10
dc      mnist    | 50.0±1.5  –
dc      svhn     | 60        70.25
'''
trained_with = "ConvNet"
"""


def test_a_table_is_read_by_its_lines_and_columns() -> None:
    source = "Somebody: A title, 2020, Table 3"
    of_all = {
        "paper": "one",
        "table": "3",
        "method": "dc",
        "trained_with": "ConvNet",
        "protocol": "published",
        "source": source,
    }
    assert parse_published(RIGHT, "here") == (
        Published(**of_all, dataset="mnist", ipc=1, mean=50.0, std=1.5),
        Published(**of_all, dataset="svhn", ipc=1, mean=60.0, std=None),
        Published(**of_all, dataset="svhn", ipc=10, mean=70.25, std=None),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('protocol = "published"\n', "", "protocol: Field required"),
        ('protocol = "published"', "protocol = ''", "protocol: String should have at least 1 character"),
        ('table = "3"', "source = ''", "source: String should have at least 1 character"),
        ('paper = "one"', 'paper = "two"', "there is no paper 'two'"),
        ('table = "3"', "seeds = 3", "seeds: "),
        ("50.0±1.5", "500±1.5", "'500±1.5' is no accuracy in percent"),
        ("50.0±1.5", "50.0+1.5", "'50.0+1.5' is no accuracy in percent"),
        ("60        70.25", "60", "shorter"),
        ("dc      svhn", "dc      mnist", "twice in Somebody"),
        ('read = "its text"', "", "one.read: Field required"),
        ("[papers.one]", "[unknown]\n[papers.one]", "nothing else"),
        (RIGHT[RIGHT.index("[[tables]]") :], "", "needs"),
        ("[papers.one]", "[papers.one", "not valid TOML"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_in_a_sentence(old: str, new: str, said: str) -> None:
    assert old in RIGHT
    with pytest.raises(CondenseError) as error:
        parse_published(RIGHT.replace(old, new), "here")
    assert str(error.value).startswith("here") and said in str(error.value) and "\n" not in str(error.value)


def test_the_whole_set() -> None:
    whole = published_accuracy("cifar10", WHOLE_SET, None, None, "ConvNet")
    assert whole and (whole.mean, whole.std) == (84.8, 0.1) and whole.source.endswith("Table 1, as quoted in the PAD paper")
    assert published_accuracy("mnist", WHOLE_SET, None, None, "ConvNet") is None


def test_the_table_of_zhang_et_al() -> None:
    settings = ("crop, weight decay", "crop", "weight decay", "none", "random labels")
    expected = {
        network: {name: tuple(v.split("/")) for name, v in zip(settings, line.split(), strict=True) if v != "-"}
        for network, line in ZHANG_TABLE_1.items()
    }
    assert expected == TABLE_1
    assert TRAINING_IMAGES == 50_000


def test_the_course_report_on_simplenn() -> None:
    printed = {(data, each.program, each.epoch): each.runs for data, rows in PRINTED.items() for each in rows}
    expected = {key: [round(100 * float(v), 2) for v in text.split()] for key, text in COURSE_REPORT.items()}
    assert {key: list(runs) for key, runs in printed.items()} == expected
    assert sum(printed["mnist", "PyTorch", 500]) / 10 == pytest.approx(97.97, abs=0.006)  # its own averages
    assert sum(printed["cifar10", "PyTorch", 100]) / 10 == pytest.approx(42.83, abs=0.006)
    assert sum(printed["cifar10", "PyTorch", 500]) / 10 == pytest.approx(38.27, abs=0.006)
    assert (EPOCHS, RATES) == (500, {"mnist": 0.001, "cifar10": 0.003})
    assert SETTINGS == {"train_size": 5000, "preparation": "minmax", "batch": 128, "momentum": 0.9}


@pytest.mark.parametrize("name", LAB_REPORT)
def test_the_lab_report_on_tuning(name: str) -> None:
    rows = []
    for row in load_grid(name).rows:
        assert row.reported and (row.momentum, row.objective, row.network) == (0.0, "summed", f"mlp-1x{row.network[6:]}")
        stated = (int(row.network[6:]), row.learning_rate, row.batch_size, row.epochs, row.weight_decay)
        told = row.reported
        printed = told.training_accuracy, told.training_loss, told.test_accuracy, told.memory_mib, told.seconds
        rows.append([int(row.name), *stated, *printed])
    assert rows == [[float(value) for value in line.split()] for line in LAB_REPORT[name].strip().splitlines()]
