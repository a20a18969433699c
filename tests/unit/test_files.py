"""Files are written whole or not at all, and nothing that was there is damaged."""

import errno
import os
import resource
from pathlib import Path

import pytest

from condense.errors import CondenseError
from condense.files import append_line, check_writable, refuse_overwrite, write_atomically


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("old")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writing_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, "täxt")
    assert path.read_text(encoding="utf-8") == "täxt"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(old: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(CondenseError) as caught:
        write_atomically(old, "new")
    assert str(caught.value) == f"Cannot write {old}: No space left on device. Nothing that was there has been changed."
    assert (old.read_text(), names(old.parent)) == ("old", ["file"])


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_an_interruption_leaves_what_was_there_and_nothing_else(
    old: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(old, "new")
    assert (old.read_text(), names(old.parent)) == ("old", ["file"])


@pytest.mark.parametrize(
    "write", [lambda path: write_atomically(path, ""), lambda path: append_line(path, ""), check_writable]
)
def test_a_file_in_the_place_of_a_folder_is_named(old: Path, write) -> None:
    for path in (old / "new", old / "sub" / "new"):
        with pytest.raises(CondenseError, match=rf"Cannot write {path}: {path.parent} is not a folder\."):
            write(path)
    assert old.read_text() == "old"


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    for write in (check_writable, lambda path: write_atomically(path, "")):
        with pytest.raises(CondenseError, match="File name too long"):
            write(tmp_path / ("x" * 300))


def test_checking_leaves_nothing_behind(old: Path) -> None:
    check_writable(old.parent / "folder" / "new")
    check_writable(old)
    assert old.read_text() == "old"
    assert names(old.parent) == ["file", "folder"] and not names(old.parent / "folder")


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lines"
    for line in ("one", "zwölf"):
        append_line(path, line)
    assert path.read_text(encoding="utf-8") == "one\nzwölf\n"


def test_a_line_of_which_only_a_part_finds_room_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append_line(path, "one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # the kernel then writes 6 of the bytes and says so
    try:
        with pytest.raises(CondenseError, match=r"Cannot write .*: No space left on device"):
            append_line(path, "another line")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "one\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_appending_to_a_full_device() -> None:
    with pytest.raises(CondenseError, match="Cannot write /dev/full: No space left on device"):
        append_line(Path("/dev/full"), "line")


def test_overwriting_is_refused_without_force(old: Path) -> None:
    with pytest.raises(CondenseError, match=r"exists already. Choose another --out, or pass --force to replace it\."):
        refuse_overwrite(old, force=False)
    refuse_overwrite(old, force=True)
    refuse_overwrite(old.with_name("new"), force=False)
    link = old.with_name("link")
    link.symlink_to("nowhere")
    with pytest.raises(CondenseError, match="exists already"):
        refuse_overwrite(link, force=False)


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_is_never_overwritten(tmp_path: Path, force: bool) -> None:
    with pytest.raises(CondenseError, match="is a folder; the name of a file is needed"):
        refuse_overwrite(tmp_path, force)
