"""What a data set is called in files that may be passed on: nothing of where it lies on one's own machine."""

import os
from pathlib import Path
from typing import Any


def stored_name(name_or_path: str) -> str:
    """A data set as results state it: as it was given, but of an absolute path, one with '~' or one that climbs ('..') only
    the last part ('images/' of a folder), which is how `catalog.load` names what it finds there.
    """
    path = Path(name_or_path)
    if not (path.is_absolute() or name_or_path.startswith("~") or ".." in path.parts):
        return name_or_path
    whole = os.path.abspath(os.path.expanduser(name_or_path))
    return f"{os.path.basename(whole)}{'/' if os.path.isdir(whole) else ''}"


def shareable(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration with its data set as `stored_name` has it; sets of earlier versions keep whole paths."""
    dataset = config.get("dataset")
    return {**config, "dataset": stored_name(dataset)} if isinstance(dataset, str) else dict(config)
