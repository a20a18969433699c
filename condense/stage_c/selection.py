"""Selection baselines: real images in the place of learned ones."""

import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.randomness import generator


def random_selection(data: LabelledImages, images_per_class: int, seed: int) -> Tensor:
    """Real images drawn at random without replacement from each class: float32 (classes * ipc, C, H, W), normalised."""
    drawn = data.draw_class_batches(images_per_class, generator(seed, "random selection", device=data.device))
    return data.inputs(drawn.indices, torch.float32)
