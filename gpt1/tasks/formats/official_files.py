"""Find official files in a folder or an archive, as their authors distribute them."""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from gpt1.errors import UserError, reading

TASK_FILES = {".xml", ".txt", ".tsv", ".csv", ".jsonl", ".parquet"}
"""Extensions of a single file that may be a whole task."""
DAMAGED = "the archive is damaged ({}); download it again"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield the folder at `path`, or a temporary one with the archive's content or the one file.

    Archives are `.zip`, `.tar` and `.tar.gz`. Raises UserError when there is none of these, and for
    an archive that would write outside its folder or fill the disk; nothing is left behind.
    """
    if path.is_dir():
        yield path
    elif not path.is_file():
        raise UserError(f"{path}: no such folder, archive or file; put the task's files there")
    else:
        with tempfile.TemporaryDirectory(prefix="gpt1-task-") as folder:
            if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
                _unzip(path, Path(folder))
            elif path.name.lower().endswith((".tar", ".tar.gz", ".tgz")) or tarfile.is_tarfile(
                path
            ):
                _untar(path, Path(folder))
            elif path.suffix.lower() in TASK_FILES:
                shutil.copyfile(path, Path(folder, path.name))
            else:
                raise UserError(f"{path}: neither a folder nor a .zip or .tar.gz archive")
            yield Path(folder)


def find_file(root: Path, *patterns: str) -> Path | None:
    """The file below `root` that matches the first pattern with a match; None without any.

    A pattern is matched against the last parts of the path, ignoring case. Of several files the
    least deep one is taken, then the first by name.
    """
    files = sorted(
        (path for path in root.rglob("*") if path.is_file() and not is_macos_metadata(path)),
        key=lambda path: (len(path.parts), str(path)),
    )
    for pattern in patterns:
        depth = len(PurePosixPath(pattern).parts)
        for path in files:
            tail = "/".join(path.relative_to(root).parts[-depth:])
            if fnmatch(tail.lower(), pattern.lower()):
                return path
    return None


def is_macos_metadata(path: Path) -> bool:
    """Whether a Mac wrote this beside the files, as it does into archives and on foreign disks."""
    return path.name.startswith("._") or "__MACOSX" in path.parts


def find_folder(root: Path, *names: str) -> Path:
    """The least deep folder below `root` with one of these lower-case names; else `root` itself."""
    below = (path for path in root.rglob("*") if path.is_dir() and not is_macos_metadata(path))
    folders = [path for path in below if path.name.lower() in names]
    return min(folders, key=lambda path: (len(path.parts), str(path)), default=root)


def _unzip(path: Path, folder: Path) -> None:
    with reading(path, DAMAGED), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _check_names(path, [entry.filename for entry in entries])
        _check_disk_space(path, sum(entry.file_size for entry in entries), folder)
        archive.extractall(folder)


def _untar(path: Path, folder: Path) -> None:
    """Unpack files and folders. Links are skipped: they could lead outside, and no task has any."""
    with reading(path, DAMAGED), tarfile.open(path) as archive:
        entries = [entry for entry in archive if entry.isfile() or entry.isdir()]
        _check_names(path, [entry.name for entry in entries])
        _check_disk_space(path, sum(entry.size for entry in entries), folder)
        archive.extractall(folder, entries)


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserError(
                f"{path}: the entry {name} would be written outside the folder; "
                "do not trust this archive"
            )


def _check_disk_space(path: Path, size: int, folder: Path) -> None:
    if size > shutil.disk_usage(folder).free:
        raise UserError(f"{path}: unpacks to {size:,} bytes, more than the disk has free")
