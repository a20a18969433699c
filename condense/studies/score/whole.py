"""Networks on all real images that are trained already: what is taken of records that are given."""

from pathlib import Path

from condense.data.images import DataSet
from condense.errors import CondenseError, shortened
from condense.records import Record, needed, read_records
from condense.stage_t.protocols import whole_recipe


def given_whole(path: Path, data: DataSet, network: str) -> Record:
    """The record of most networks of this name on all training images of `data`, tested on its test images.

    Raises `CondenseError` where a file holds none: with what it holds instead.
    """
    where = f"--whole {shortened(path)}"
    records = [record for record in read_records(path) if record.task == "whole"]
    if not records:
        raise CondenseError(
            f"{where}: it holds no networks trained on all real images, as condense evaluate --whole --dataset "
            f"{data.name} --network {network} trains them."
        )
    of_data = [record for record in records if _is_on(record, data)]
    if not of_data:
        names = ", ".join(dict.fromkeys(str(needed(record, "dataset")) for record in records))
        raise CondenseError(
            f"{where}: its networks were trained or tested on other real images ({shortened(names)}) than those of "
            f"{data.name} that the set was made from."
        )
    of_network = [record for record in of_data if needed(record, "network") == network]
    if not of_network:
        names = ", ".join(dict.fromkeys(str(needed(record, "network")) for record in of_data))
        raise CondenseError(f"{where}: it holds no networks of {network} on {data.name}, but of {shortened(names)}.")
    as_now = [record for record in of_network if record.config.get("recipe") == whole_recipe().facts()]
    if not as_now:
        raise CondenseError(f"{where}: its networks were not trained as this version trains on all real images.")
    return max(as_now, key=lambda record: len(record.seeds))


def _is_on(record: Record, data: DataSet) -> bool:
    trained, tested = needed(record, "dataset_fingerprint"), needed(record, "test_fingerprint")
    return data.train.is_known_as(trained) and data.test.is_known_as(tested)
