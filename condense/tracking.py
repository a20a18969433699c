"""Runs as TensorBoard shows them: losses, images over the steps, accuracies of networks."""

import io
import json
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from condense.errors import CondenseError, shortened, why
from condense.events import Epoch, NetworkTested, Step
from condense.report.figures import image_grid

POINTS, PICTURES = 1_000, 10
"""At most so many losses of a run, and pictures, evenly over its steps."""
STAGE_C = "stage C"


class TensorBoard:
    """Writes what callbacks of both stages are told into a folder, which `tensorboard --logdir` shows; closed by `with`.

    Of stage C in `stage C`: losses, the images as a picture, settings as a text; of stage T in a folder for each network and
    protocol: the accuracy of each network with its seed as the step, and the mean so far. Told of steps that are there
    already, as after a resume, it puts those of now in their place. Where writing fails, such as on a full disk, that is
    said once, and no more is written; what is being run goes on.
    """

    def __init__(self, folder: Path | str) -> None:
        """Raises `CondenseError` where TensorBoard is not installed, or the folder cannot be written."""
        try:
            from torch.utils import tensorboard
        except ImportError as error:
            raise CondenseError(
                "TensorBoard is not installed here; pip install 'dataset-condensation[track]' brings it."
            ) from error
        self.folder, self._writer_of = Path(folder), tensorboard.SummaryWriter
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CondenseError(f"Cannot write to {shortened(self.folder)}: {error.strerror or error}.") from error
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise CondenseError(f"Cannot write to {shortened(self.folder)}: permission denied.")
        self._writers: dict[str, Any] = {}
        self._accuracies: dict[str, list[float]] = {}
        self._failed = False

    def __enter__(self) -> Self:
        self._before = threading.excepthook
        threading.excepthook = partial(_without_those_of_writers, self._before)
        return self

    def __exit__(self, *error: object) -> None:
        self._try(lambda: [writer.close() for writer in self._writers.values()])
        threading.excepthook = self._before

    def __call__(self, event: Step | Epoch | NetworkTested) -> None:
        """Writes what it is told, as far as it is among what is shown."""
        if isinstance(event, Step):
            self._try(lambda: self._step(event))
        elif isinstance(event, NetworkTested):
            self._try(lambda: self._tested(event))

    def _try(self, write: Any) -> None:
        if self._failed:
            return
        try:
            write()
        except (OSError, RuntimeError) as error:  # its writer's thread hands errors on in one or the other
            self._failed = True
            line = f"{shortened(self.folder)} is no longer written to: {why(error)}. The run goes on."
            print(f"condense: {line}", file=sys.stderr)

    def _writer(self, name: str, first: int) -> Any:
        """That of one folder; what is there from this step on is left out by who shows it."""
        if name not in self._writers:
            folder = self.folder / name.replace(os.sep, "-")
            self._writers[name] = self._writer_of(str(folder), purge_step=first)
        return self._writers[name]

    def _step(self, event: Step) -> None:
        begins, ends = STAGE_C not in self._writers, event.step == event.steps
        writer = self._writer(STAGE_C, event.step)
        if begins or ends or event.step % -(-event.steps // POINTS) == 0:
            writer.add_scalar("loss", event.loss, event.step)
            for name, value in event.losses.items():
                writer.add_scalar(f"losses/{name}", value, event.step)
        if begins or ends or event.step % -(-event.steps // PICTURES) == 0:
            made = event.made()
            picture = np.asarray(Image.open(io.BytesIO(image_grid(made))).convert("RGB"))
            writer.add_image("images", picture, event.step, dataformats="HWC")
            if begins:
                writer.add_text("settings", f"```\n{json.dumps(made.provenance.config, indent=2)}\n```", event.step)
            writer.flush()

    def _tested(self, event: NetworkTested) -> None:
        name = f"{event.network}, {event.protocol}"
        found = self._accuracies.setdefault(name, [])
        found.append(event.accuracy)
        writer = self._writer(name, 0)
        writer.add_scalar("accuracy", event.accuracy, event.seed)
        writer.add_scalar("mean accuracy so far", sum(found) / len(found), event.seed)
        writer.flush()


def _without_those_of_writers(before: Callable[[Any], object], raised: Any) -> None:
    """Shows what a thread raised, but for a writer's failure to write: `TensorBoard` says that in a line."""
    module = type(raised.thread).__module__
    if not (module.startswith("tensorboard.") and issubclass(raised.exc_type, OSError)):
        before(raised)
