"""What was asked for of a matrix, as it stands in files, of this version and 0.1."""

from dataclasses import replace
from pathlib import Path

from condense.checking import checked
from condense.config import MatrixConfig
from condense.data.naming import stored_name
from condense.errors import CondenseError, shortened
from condense.studies.matrix.images import ImageFacts
from condense.texts import json_of

FORMAT = "condense matrix 2"


def request(values: object, where: str) -> MatrixConfig:
    """A request from its values; the images may lie elsewhere by now, and need not be there.

    Raises `CondenseError`, which `where` begins, for what is none.
    """
    if not isinstance(values, dict):
        raise CondenseError(f"{where}: a request is not an object.")
    named = values.get("dataset")
    datasets = tuple(named) if isinstance(named, list) else (named,)
    if not (datasets and all(isinstance(name, str) for name in datasets)):
        raise CondenseError(f"{where}: it does not say of which data set it is.")
    others = {name: value for name, value in values.items() if name != "dataset"}
    try:
        config = checked(MatrixConfig, others, called=lambda name: f"{where}: {name}", strict=True)
    except CondenseError as error:  # nobody writes it by hand, so that the first of what is wrong says enough
        raise CondenseError(str(error).splitlines()[0]) from error
    return replace(config, dataset=datasets)


def description_of(path: Path) -> tuple[tuple[MatrixConfig, ...], dict[str, ImageFacts]] | None:
    """(Requests, facts of images by stored name) of the `matrix.json` of version 0.1 in a folder; None where there is none.

    Raises `CondenseError` where it is damaged.
    """
    file = path / "matrix.json"
    if not file.exists():
        return None
    where = f"{shortened(file)} is damaged"
    content = json_of(file.read_bytes(), where)
    try:
        if content["format"] != FORMAT:
            raise CondenseError(f"{shortened(file)} was written by another version of condense.")
        facts = ImageFacts(str(content["images"]["training"]), str(content["images"]["test"]))
        values = [{**content["settings"], **one} for one in content["requests"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CondenseError(f"{where}: {shortened(error)}.") from error
    requests = tuple(request(one, where) for one in values)
    if not requests:
        raise CondenseError(f"{where}: it has no requests.")
    return requests, {stored_name(name): facts for one in requests for name in one.dataset}
