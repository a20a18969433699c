"""Networks of one's own by name (`condense.own`), timm's included, and what their factories make."""

from functools import cache, partial
from typing import Any

from condense.errors import CondenseError, quoted, shortened
from condense.networks.layers import Shape
from condense.networks.module import Factory, network_of
from condense.networks.network import Network
from condense.own import Own

GROUP = "condense.networks"
TIMM = "timm"
"""Before the colon, of the models of timm by their names."""
_kept: dict[tuple[str, Shape, int], tuple[Factory, Network]] = {}


def build(name: str, shape: Shape, classes: int) -> Network:
    """The network of a name proper, for images (C, H, W) and a number of classes, which is looked at once for as long as its
    factory is the same object. Raises `CondenseError` as `Own.code` and `network_of`.
    """
    factory, place = NETWORKS.code(name), (name, shape, classes)
    if place not in _kept or _kept[place][0] is not factory:
        _kept[place] = factory, network_of(factory, name, shape, classes)
    return _kept[place][1]


def _fault(found: object) -> str | None:
    if callable(found):
        return None
    return f"{shortened(found)} is no factory, which is called with the shape (C, H, W) of images and a number of classes"


def _of_timm(name: str) -> Factory | None:
    return _timm_factory(name.removeprefix(f"{TIMM}:")) if name.startswith(f"{TIMM}:") else None


@cache
def _timm_factory(model: str) -> Factory:
    """What makes a model that timm has. Raises `CondenseError` where it has none of that name, or is not installed."""
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise CondenseError(f"'{TIMM}:{shortened(model)}' needs timm, which is not installed: pip install timm.") from error
    if model not in timm.list_models():
        raise CondenseError(f"timm has no model {quoted(model)}: timm.list_models() names those it has.")
    return partial(_timm_model, model)


def _timm_model(model: str, shape: Shape, classes: int) -> Any:
    """A model of timm, without pretrained weights; of those that are made for one size of images, for this one."""
    import timm  # pyright: ignore[reportMissingImports]

    given = {"pretrained": False, "in_chans": shape[0], "num_classes": classes}
    try:
        return timm.create_model(model, img_size=shape[1:], **given)
    except TypeError:  # most have no such size
        return timm.create_model(model, **given)


NETWORKS: Own[Factory] = Own("network", _fault, group=GROUP, also=_of_timm)
