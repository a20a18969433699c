"""The tree of DC-BENCH's distilled_results: a folder for each method, data set and number of images per class."""

from condense.errors import quoted
from condense.formats.outgoing.consumers import CIFAR, CIFAR100, Consumer, Handed, Known, handed, saved
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.formats.outgoing.vico import content

DC_BENCH = Consumer("DC-BENCH", {"cifar10": Known("CIFAR10", *CIFAR), "cifar100": Known("CIFAR100", *CIFAR100)})
FOLDERS = {
    "dc": "DC",
    "dsa": "DSA",
    "dm": "DM",
    "mtt": "TM",
    "tesla": "TM",
    "datm": "TM",
    "random": "random",
    "kmeans": "Kmeans",
}
"""By method, the folder that DC-BENCH has for it; others lie where it reads trajectory matching, plain tensors."""


def plan(asked: Asked) -> Plan:
    """The files of one set where `--method` of DC-BENCH looks for them."""
    method, network = asked.first.provenance.method, asked.first.provenance.network
    given, folder = handed(asked.first, DC_BENCH), FOLDERS.get(method, "TM")
    remarks = list(given.remarks)
    if method not in FOLDERS:
        remarks.append(f"DC-BENCH knows no method {quoted(method)}: the set lies where --method tm looks.")
    if folder == method.upper() and network != "ConvNet":
        remarks.append(f"Its file is called ConvNet, which DC-BENCH looks for, and was learned with {network}.")
    remarks.append(f"It is read with --method {folder.lower()} --dataset {given.dataset} --ipc {given.each}.")
    return Plan(lambda: _files(asked, given, folder), given.losses, tuple(remarks))


def _files(asked: Asked, given: Handed, folder: str) -> dict[str, bytes]:
    where, named = f"{folder}/{given.dataset}/IPC{given.each}", f"{given.dataset}_IPC{given.each}"
    if folder in ("DC", "DSA", "DM"):
        return {f"{where}/res_{folder}_{given.dataset}_ConvNet_{given.each}ipc.pt": saved(content(asked, [given]))}
    names = {"TM": "{}_best.pt", "random": f"{named}_normalize_{{}}.pt", "Kmeans": f"{named}_{{}}.pt"}[folder]
    tensors = {"images": given.images, "labels": given.labels}
    return {f"{where}/{names.format(part)}": saved(tensor) for part, tensor in tensors.items()}


FORM = Form("dc-bench", "the folder distilled_results of DC-BENCH, with the files of one set in it", plan)
