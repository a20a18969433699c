"""One image as a PNG file."""

import io

from torch import Tensor


def png(pixels: Tensor) -> bytes:
    """Of uint8 (C, H, W): grey where it has one channel, else RGB."""
    from PIL import Image  # takes a while to import, and few commands need it

    array = pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous().numpy()
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()
