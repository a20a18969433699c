"""Which code produced a result."""

import platform
from importlib.metadata import version

CODE_VERSION = version("condense")


def library_versions() -> dict[str, str]:
    """Versions of everything that can change a number."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy", "h5py")}}
