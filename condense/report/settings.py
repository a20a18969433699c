"""What the networks of a row of a table have in common: how their set was made, and of which real images."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from condense.checking import as_dict
from condense.data.known import PUBLISHED, known_as
from condense.provenance import IMPORTED
from condense.records import Record
from condense.stage_c.method import Occasion
from condense.stage_c.methods import DEFAULT, is_known
from condense.stage_c.schedules import (
    BEFORE_SETTINGS,
    SCHEDULES,
    overridden,
    schedule,
    schedule_text,
    with_settings,
)

# Of a resolved configuration of stage C: what rows state by themselves, what tells sets of one row apart, and what the
# fingerprint says better.
_NOT_A_SETTING = {
    "dataset",
    "network",
    "method",
    "ipc",
    "seed",
    "schedule",
    "train_size",
    "set",
    "path",
    "execution",
    "reading",
}
_STATED = ("iterations", "init", "distance", "precision")


def configurations(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """The resolved configuration that each set was made by, by its SHA-256, as far as the records say: those of evaluations
    themselves, or those of learning the same sets.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        of_set = record.config.get("set")
        if record.task == "learn" and isinstance(of_set, str):
            found[of_set] = record.config
        elif record.task == "evaluate" and isinstance(of_set, dict) and "config" in of_set and "sha256" in of_set:
            found.setdefault(of_set["sha256"], of_set["config"])
    return found


def learning_settings(of_set: Mapping[str, Any], config: Mapping[str, Any] | None, *, learned: bool) -> dict[str, Any]:
    """Everything in the configuration of a set but its seed, with the name of its schedule as people read it.

    of_set: what a record of an evaluation says of the set; config: its configuration, None where no record has it: then the
    values of the schedule that is named. Of images that were selected only which real ones they are of counts; of a set of
    another program also which one it is.
    """
    data = {"dataset_fingerprint": of_set["dataset_fingerprint"]} if of_set.get("dataset_fingerprint") else {}
    if config is not None and isinstance(config.get(IMPORTED), dict):  # how it was made, the other program knows
        return {IMPORTED: str(config[IMPORTED].get("name", "")), **data}
    if not learned:
        return data
    stated = {name: of_set[name] for name in _STATED if of_set.get(name) is not None}
    occasion = Occasion(of_set["dataset"], of_set.get("images_per_class", 1), of_set.get("network", ""))
    if config is not None:
        before = BEFORE_SETTINGS if config.get("method", DEFAULT) == DEFAULT else {}
        values = {name: value for name, value in (before | dict(config)).items() if name not in _NOT_A_SETTING}
        text = {"schedule": schedule_text(config, occasion)}
        if not stated.get("iterations") and "iterations" not in config:
            stated.pop("iterations", None)  # a selection has none
    else:
        named, method = of_set.get("schedule"), of_set["method"]
        values = as_dict(schedule(named, method, occasion)) if named in SCHEDULES and is_known(method) else {}
        text = {"schedule": _as_stated(named, method, stated, values, occasion)} if named else {}
    return {name: value for name, value in {**values, **stated, **text, **data}.items() if value is not None}


def _as_stated(named: str, method: str, stated: Mapping[str, Any], values: Mapping[str, Any], occasion: Occasion) -> str:
    """The schedule a record names, with what the record itself says of it that is otherwise."""
    if not values:
        return named
    differing = overridden({**values, **stated, "method": method}, named, occasion)
    return with_settings(named, {name: value for name, value in differing.items() if name in stated})


def known_data(dataset: str, training: str | None, test: str | None) -> bool:
    """Whether fingerprints are those of the training and the test images of the published data set of this name.

    Of a set whose fingerprints are not known (SVHN) the name vouches: images get it only from files with the published MD5s.
    """
    if dataset in PUBLISHED and PUBLISHED[dataset].fingerprints is None:
        return bool(training and test)
    return [known_as(one or "") for one in (training, test)] == [(dataset, "train"), (dataset, "test")]


def common_recipe(config: Mapping[str, Any]) -> Any:
    """The recipe in the configuration of an evaluation, as all sets of one kind have it: of rates that are the set's own, as
    `Recipe.own_rate` says, how many times that they are.
    """
    recipe, of_set = config.get("recipe", {}), config.get("set")
    rate = of_set.get("learning_rate") if isinstance(of_set, dict) else None
    if not (rate and isinstance(recipe, dict) and recipe.get("own_rate") and isinstance(recipe.get("stages"), list)):
        return recipe
    kept = {name: value for name, value in recipe.items() if name != "own_rate"}
    return kept | {"stages": [_in_rates(stage, rate) for stage in recipe["stages"]]}


def _in_rates(stage: Any, rate: float) -> Any:
    """A stage, if it is one, whose learning rate is said in those of the set."""
    own = stage.get("learning_rate") if isinstance(stage, dict) else None
    if isinstance(own, bool) or not isinstance(own, int | float) or abs(own) >= 2**63:
        return stage
    times = f"{own / rate:.6g}"  # what rounding did to the rate and not to the factor goes
    return {**stage, "learning_rate": "the set's own" if times == "1" else f"{times} times the set's own"}


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """A recipe as a record has it, in words: '200 epochs at 0.01, 100 epochs at 0.001; batch_size 64; ...'."""
    stages_first = sorted(recipe.items(), key=lambda entry: (entry[0] != "stages", entry[0]))
    return "; ".join(_in_words(name, value) for name, value in stages_first)


def _in_words(name: str, value: Any) -> str:
    if name == "stages" and isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return ", ".join(f"{one.get('epochs')} epochs at {one.get('learning_rate')}" for one in value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return f"{name} {', '.join(value) or 'none'}"
    return f"{name} {value if isinstance(value, str) else json.dumps(value)}"


def texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as text, sorted by name; of fingerprints the images they are known to be of, else what tells them apart."""
    found = {name: value if isinstance(value, str) else json.dumps(value) for name, value in sorted(settings.items())}
    return {name: _named(text) if name.endswith("fingerprint") else text for name, text in found.items()}


def _named(fingerprint: str) -> str:
    known = known_as(fingerprint)
    return " ".join(known) if known else fingerprint[:12]
