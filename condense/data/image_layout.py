"""Which files of a folder are images of which class: layouts with and without a split, and what of a folder is not read."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from condense.data.part_names import TEST, TRAIN, VAL, part_name
from condense.data.paths import shown
from condense.errors import CondenseError, shortened

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_IS_FOLDER = "is a folder, not read, as images lie in the folder of their class itself"
NO_IMAGE = f"is no image file; a class folder holds only {', '.join(SUFFIXES)} files"
_IGNORED = ("thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information", "icon\r")
_LEVEL = "images"
"""The folder inside each class folder of Tiny-ImageNet."""
_ANNOTATIONS = "val_annotations.txt"
_SHOWN = 5
_OUTSIDE = "lies outside the class folders; every image belongs in the folder of its class"

Listed = tuple[Path, int]
"""An image file and its label."""


@dataclass(frozen=True)
class Bad:
    """A file that cannot be used, and why, as it goes on after 'FILE: '."""

    path: Path
    why: str


@dataclass(frozen=True)
class Layout:
    """The images of a folder, in order; test: None where there is no split; what is in it and is no image; remarks."""

    classes: tuple[str, ...]
    train: tuple[Listed, ...]
    test: tuple[Listed, ...] | None
    bad: tuple[Bad, ...] = ()
    remarks: tuple[str, ...] = ()


def find_layout(root: Path) -> Layout:
    """The layout of `root`: `train/CLASS/*` with `test/CLASS/*` (`val` where there is no such test), or `CLASS/*`.

    The parts may be called in any way that `part_name` understands, and lie in a folder of the same part. The images of a
    class may lie in a folder `images` in its folder, and those of `val` in one folder with a `val_annotations.txt`, as in
    Tiny-ImageNet.
    Raises `CondenseError` where there are not two classes, a part or the images of a class are missing, or the test images
    have a class that training lacks.
    """
    parts = _parts(root)
    if not parts:
        classes = _class_names(root)
        _check_classes(root, classes)
        train, bad = _listed(root, classes)
        return Layout(tuple(classes), train, None, bad)
    trained = _inner(parts[TRAIN])
    classes = _class_names(trained)
    _check_classes(trained, classes)
    train, bad = _listed(trained, classes)
    tested, remarks = _tested(root, parts)
    test, more_bad = _annotated(tested, classes) if _has_annotations(tested) else _listed(tested, classes)
    return Layout(tuple(classes), train, test, (*bad, *more_bad), remarks)


def visible(folder: Path) -> list[Path]:
    """What is in a folder, by name, but for hidden files and what operating systems leave behind."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".") and path.name.casefold() not in _IGNORED]
    return sorted(found, key=lambda path: (unicodedata.normalize("NFC", path.name), path.name))


def is_image_name(path: Path) -> bool:
    """Whether a file is called as images are."""
    return path.suffix.lower() in SUFFIXES


def _folders(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.is_dir()]


def _class_names(folder: Path) -> dict[str, Path]:
    """The folders of classes by name, composed (NFC), so that a class is the same whichever system wrote its name."""
    found: dict[str, Path] = {}
    for path in _folders(folder):
        name = unicodedata.normalize("NFC", path.name)
        if name in found:
            raise CondenseError(
                f"{folder}: two folders are called {shortened(name)}, one composed and one decomposed; join them."
            )
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise CondenseError(f"{shown(path)}: the name of this class is not in UTF-8; rename it.") from error
        found[name] = path
    return found


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the parts, by part; none where the folders of `root` are classes.

    Raises `CondenseError` where a part is there twice, and where folders are there that can only be parts, but not all.
    """
    sets: dict[str, dict[str, list[Path]]] = {}
    for path in _folders(root):
        named = part_name(path.name)
        if named and (named.certain or _folders(path)):
            sets.setdefault(named.of, {}).setdefault(named.part, []).append(path)
    split = [found for found in sets.values() if TRAIN in found and len(found) > 1]
    if len(split) > 1:
        there = _some([found[TRAIN][0].name for found in split])
        raise CondenseError(f"{root}: there are several data sets with parts ({there}); give a folder with one of them.")
    if split:
        return _each_once(root, split[0])
    alone = sets.get("", {})
    if any(_folders(path) for paths in alone.values() for path in paths):  # or it is a class of that name
        there = " and a ".join(path.name for paths in alone.values() for path in paths)
        missing = "test folder (val or validation would do)" if TRAIN in alone else "train folder"
        raise CondenseError(f"{root}: has a {there} folder, but no {missing}.")
    return {}


def _each_once(root: Path, found: dict[str, list[Path]]) -> dict[str, Path]:
    for part, paths in found.items():
        if len(paths) > 1 and (part != VAL or TEST not in found):
            names = " and ".join(shortened(path.name) for path in paths)
            raise CondenseError(f"{root}: {names} are both here; one of them is to be read.")
    return {part: paths[0] for part, paths in found.items()}


def _inner(part: Path) -> Path:
    """The folder of a part, or one in it that is called as the same part and is all that it holds."""
    while True:
        within = visible(part)
        names = [part_name(path.name) for path in (*within, part)]
        if len(within) != 1 or names[0] is None or names[0] != names[-1] or not (within[0].is_dir() and _folders(within[0])):
            return part
        part = within[0]


def _tested(root: Path, parts: dict[str, Path]) -> tuple[Path, tuple[str, ...]]:
    """The part with the test images, `test` before `val`, the first of them with classes; what is to be said of it."""
    candidates = [parts[part] for part in (TEST, VAL) if part in parts]
    tested = next((path for path in candidates if _has_classes(_inner(path))), candidates[0])
    remarks = []
    if tested is not parts.get(TEST):
        reason = f"the images of {parts[TEST].name} have no classes" if TEST in parts else "there is no test folder"
        remarks.append(f"the images in {tested.name} are the test images, as {reason}.")
    others = [path.name for path in _folders(root) if path not in (parts[TRAIN], tested)]
    if others:
        remarks.append(f"not read: {_some(others)} in {root.name}.")
    tested = _inner(tested)
    if not _has_classes(tested):
        raise CondenseError(
            f"{tested}: there are no classes; one sub-folder of images for each, or a file {_ANNOTATIONS} that gives each "
            "image its class, as in Tiny-ImageNet, is needed."
        )
    return tested, tuple(remarks)


def _has_annotations(part: Path) -> bool:
    return (part / _ANNOTATIONS).is_file()


def _has_classes(part: Path) -> bool:
    folders = [path.name.casefold() for path in _folders(part)]
    return _has_annotations(part) or (bool(folders) and folders != [_LEVEL])


def _check_classes(folder: Path, classes: dict[str, Path]) -> None:
    if not classes:
        stray = next((path for path in visible(folder) if is_image_name(path)), None)
        if stray:
            raise CondenseError(f"{stray}: {_OUTSIDE}, and there are none.")
        raise CondenseError(f"{folder}: there are no images; one sub-folder of images for each class is needed.")
    if len(classes) == 1:
        ((name, path),) = classes.items()
        deeper = _folders(path)
        hint = f" If the data set is what lies in {path}, give that folder." if len(deeper) > 1 else ""
        raise CondenseError(
            f"{folder}: there is one class only, {shortened(name)}; two sub-folders of images, one per class, are the least "
            f"there is to tell apart.{hint}"
        )


def _listed(part: Path, classes: dict[str, Path]) -> tuple[tuple[Listed, ...], tuple[Bad, ...]]:
    """The image files of a part, class by class, by name within a class; what else lies there."""
    folders = _class_names(part)
    unknown = [name for name in folders if name not in classes]
    if unknown:
        raise CondenseError(f"{folders[unknown[0]]}: training has no class of this name; it has {_some(list(classes))}.")
    bad = [Bad(path, _OUTSIDE) for path in visible(part) if is_image_name(path) and path.is_file()]
    listed: list[Listed] = []
    for label, name in enumerate(classes):
        if name in folders:
            files = list(_entries(folders[name]))
            _check_class_folder(folders[name], files)
            listed += [(path, label) for path in files if _is_image(path)]
            bad += [Bad(path, _IS_FOLDER if path.is_dir() else NO_IMAGE) for path in files if not _is_image(path)]
    return tuple(listed), tuple(bad)


def _check_class_folder(folder: Path, files: Sequence[Path]) -> None:
    """Raises `CondenseError` for a class folder that holds nothing, or folders and no images."""
    within = [path.name for path in files if path.is_dir()]
    if not files:
        raise CondenseError(f"{shown(folder)}: there are no images in this class folder.")
    if within and not any(map(_is_image, files)):
        parts = any(named.certain for name in within if (named := part_name(name)))
        right = (
            f"the parts come first, as in {shortened(f'{within[0]}/{folder.name}')}"
            if parts
            else "images lie in the folder of their class itself, and classes in the folder that is given, or in its parts, "
            "called train and test or alike"
        )
        raise CondenseError(f"{shown(folder)}: holds folders ({_some(within)}) and no images; {right}.")


def _is_image(path: Path) -> bool:
    return is_image_name(path) and path.is_file()


def _entries(folder: Path) -> Iterator[Path]:
    """What lies in a class folder, or in its folder `images` where that holds the images."""
    entries = visible(folder)
    level = [path for path in entries if path.name.casefold() == _LEVEL and path.is_dir()]
    if level and not any(is_image_name(path) or (path.is_dir() and path not in level) for path in entries):
        entries = visible(level[0])
    yield from entries


def _annotated(part: Path, classes: dict[str, Path]) -> tuple[tuple[Listed, ...], tuple[Bad, ...]]:
    """The image files of a part whose classes a text file gives, in the order of the classes; what else lies there."""
    labels = _annotations(part / _ANNOTATIONS, classes)
    folder = next((path for path in _folders(part) if path.name.casefold() == _LEVEL), part)
    files = [path for path in visible(folder) if path.name != _ANNOTATIONS]
    listed = [(path, labels[path.name]) for path in files if _is_image(path) and path.name in labels]
    if not listed:
        raise CondenseError(f"{part}: there are no images that {_ANNOTATIONS} gives a class.")
    used = {path for path, _ in listed}
    bad = [
        Bad(path, f"has no class in {_ANNOTATIONS}" if _is_image(path) else _IS_FOLDER if path.is_dir() else NO_IMAGE)
        for path in files
        if path not in used
    ]
    missing = sorted(labels.keys() - {path.name for path in files})
    bad += [Bad(folder / shortened(name), f"is in {_ANNOTATIONS}, but not there") for name in missing]
    return tuple(sorted(listed, key=lambda one: one[1])), tuple(bad)


def _annotations(path: Path, classes: dict[str, Path]) -> dict[str, int]:
    """Labels by the names of files, from lines of a file, a class and more, with tabs between them."""
    numbers = {name: label for label, name in enumerate(classes)}
    labels: dict[str, int] = {}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        file, name = (*line.split("\t"), "")[:2]
        if unicodedata.normalize("NFC", name) not in numbers:
            raise CondenseError(
                f"{path}: training has no class '{shortened(name)}'; a line is a file, a tab, and its class."
            )
        labels[file] = numbers[unicodedata.normalize("NFC", name)]
    return labels


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(shortened(name) for name in names[:_SHOWN])}{more}"
