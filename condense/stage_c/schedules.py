"""Schedules of stage C: how long to learn, and with which steps, by images per class and network."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SCHEDULES = {
    "published": "the authors' code: 1000 iterations, 256 real images a class and step",
    "fast": "fewer, larger steps on fewer real images, chosen on held-out training images",
}
IMAGE_DECAYS = {"constant": "the same at every step", "cosine": "falling to zero over the run"}
IMAGE_CLIPS = {"none": "as long as they are", "median": "no image's gradient longer than three times the median image's"}
BEFORE_SETTINGS = {"image_decay": "constant", "image_clip": "none"}
"""What held before these were settings: records and sets made then do not name them."""
METHOD_SETTINGS = {"image_momentum": 0.5, "distance": "ours"}
"""Settings of stage C that are the same in every schedule, and belong to all of them."""
_PUBLISHED_LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}


@dataclass(frozen=True)
class Schedule:
    """The settings that a schedule gives.

    iterations, each with a new network; outer_loop: image updates an iteration; inner_loop: passes of network training
    between two of them; real_batch: real images a class and update; image_decay: the images' learning rate is 'constant' or
    falls to zero as a half 'cosine' over the run; image_clip: their gradients as they are ('none') or shortened, one of
    `IMAGE_CLIPS`; network_learning_rate: of the network's training; init: images start as
    'noise' or 'real' ones.
    """

    iterations: int
    outer_loop: int
    inner_loop: int
    real_batch: int
    image_learning_rate: float
    image_decay: str
    image_clip: str
    network_learning_rate: float
    init: str

    def rate(self, iteration: int, outer: int) -> float:
        """Learning rate of the images at an outer step of an iteration, both counted from 0."""
        if self.image_decay == "constant":
            return self.image_learning_rate
        done = (iteration + outer / self.outer_loop) / self.iterations
        return self.image_learning_rate * (1 + math.cos(math.pi * done)) / 2


def schedule(name: str, images_per_class: int, network: str) -> Schedule:
    """A schedule by name, one of `SCHEDULES`."""
    if name == "fast":
        return _fast(images_per_class, network)
    outer, inner = published_loops(images_per_class)
    return Schedule(1000, outer, inner, 256, 0.01 if network == "MLP" else 0.1, "constant", "none", 0.01, "noise")


def schedule_name(settings: Mapping[str, Any], images_per_class: int, network: str) -> str:
    """The schedule whose values a resolved configuration has in every respect, momentum and distance of the method included;
    'own' where it is none's.
    """
    return next((name for name in SCHEDULES if not overridden(settings, name, images_per_class, network)), "own")


def schedule_text(settings: Mapping[str, Any], images_per_class: int, network: str) -> str:
    """The schedule of a resolved configuration as people read it: its name, or that of the one asked for (else of the
    nearest) with the settings that were not its own: 'published with iterations 3'.
    """
    name = schedule_name(settings, images_per_class, network)
    if name != "own":
        return name
    found = {name: overridden(settings, name, images_per_class, network) for name in SCHEDULES}
    asked = settings.get("schedule")
    nearest = asked if asked in found else min(found, key=lambda name: len(found[name]))
    return with_settings(nearest, found[nearest])


def with_settings(name: str, settings: Mapping[str, Any]) -> str:
    """The name of a schedule with the settings that stand in place of its own: 'published with iterations 3'."""
    texts = [f"{key} {'not known' if value is None else value}" for key, value in settings.items()]
    return f"{name} with {', '.join(texts)}" if texts else name


def overridden(settings: Mapping[str, Any], name: str, images_per_class: int, network: str) -> dict[str, Any]:
    """The settings of a resolved configuration that are not those of a schedule; None for those it does not state."""
    stated = BEFORE_SETTINGS | dict(settings)
    values = asdict(schedule(name, images_per_class, network)) | METHOD_SETTINGS
    return {key: stated.get(key) for key, value in values.items() if stated.get(key) != value}


def published_loops(images_per_class: int) -> tuple[int, int]:
    """(outer loop, inner loop) as published where they are.

    For others, outer = min(ipc, 50), as in all published values, and inner is
    interpolated linearly between the published ones and rounded: 50 below 10 images per class, 10 above 50.
    """
    if images_per_class in _PUBLISHED_LOOPS:
        return _PUBLISHED_LOOPS[images_per_class]
    anchors = [ipc for ipc in _PUBLISHED_LOOPS if ipc > 1]
    inner = np.interp(images_per_class, anchors, [_PUBLISHED_LOOPS[ipc][1] for ipc in anchors])
    return min(images_per_class, 50), round(float(inner))


def _fast(images_per_class: int, network: str) -> Schedule:
    """Chosen with ConvNet: many steps on few real images, as each network draws another noise anyway.

    LeNet loses by steps as large as that, and takes more and smaller ones. The MLP's image gradients are now and then
    many times as long as usual (where a unit hardly answers to an image, Eq. 9 divides by next to nothing), and one such
    step would leave an image as noise: they are shortened. Above one image per class networks take fewer steps than
    published, and larger ones.
    """
    clip = "median" if network == "MLP" else "none"
    rate = {"MLP": 0.05, "LeNet": 0.1}.get(network, 0.5)
    if images_per_class == 1:
        iterations, batch = (1200, 32) if network == "LeNet" else (600, 8)
        return Schedule(iterations, 1, 1, batch, rate, "cosine", clip, 0.01, "noise")
    outer, inner = published_loops(images_per_class)
    outer = min(outer, 10)
    return Schedule(1200 // outer, outer, min(inner, 10), 32, rate, "cosine", clip, 0.05, "real")
