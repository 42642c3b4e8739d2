"""Official files as they are distributed: a folder, or the archive itself."""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from gpt1.errors import UserError


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder at `path`; an archive (`.zip`, `.tar`, `.tar.gz`) is unpacked for a while.

    Raises UserError when there is neither, and for an archive that would write outside its folder
    or fill the disk; then nothing of it is left.
    """
    if path.is_dir():
        yield path
    elif not path.is_file():
        raise UserError(f"{path}: no such folder or archive; put the task's files there")
    else:
        with tempfile.TemporaryDirectory(prefix="gpt1-task-") as folder:
            if path.suffix == ".zip" or zipfile.is_zipfile(path):
                _unzip(path, Path(folder))
            elif path.name.endswith((".tar", ".tar.gz", ".tgz")) or tarfile.is_tarfile(path):
                _untar(path, Path(folder))
            else:
                raise UserError(f"{path}: neither a folder nor a .zip or .tar.gz archive")
            yield Path(folder)


def find(root: Path, *patterns: str) -> Path | None:
    """The file below `root` whose last path parts match the first pattern that any file matches.

    Of several the one nearest to `root`, then the first by name. Case does not count.
    """
    files = sorted(
        (path for path in root.rglob("*") if path.is_file() and not _left_by_a_mac(path)),
        key=lambda path: (len(path.parts), str(path)),
    )
    for pattern in patterns:
        depth = len(PurePosixPath(pattern).parts)
        for path in files:
            tail = "/".join(path.relative_to(root).parts[-depth:])
            if fnmatch(tail.lower(), pattern.lower()):
                return path
    return None


def _left_by_a_mac(path: Path) -> bool:
    return path.name.startswith("._") or "__MACOSX" in path.parts


def subfolder(root: Path, *names: str) -> Path:
    """The folder below `root` with one of these names, in lower case; `root` if there is none."""
    found = [path for path in root.rglob("*") if path.is_dir() and path.name.lower() in names]
    return min(found, key=lambda path: (len(path.parts), str(path)), default=root)


def _unzip(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_names(path, [entry.filename for entry in entries])
            _check_room(path, sum(entry.file_size for entry in entries), folder)
            archive.extractall(folder)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise UserError(f"{path}: the archive is damaged ({error}); download it again") from None


def _untar(path: Path, folder: Path) -> None:
    """Files and folders alone: a link could lead outside, and no task's files have one."""
    try:
        with tarfile.open(path) as archive:
            entries = [entry for entry in archive if entry.isfile() or entry.isdir()]
            _check_names(path, [entry.name for entry in entries])
            _check_room(path, sum(entry.size for entry in entries), folder)
            archive.extractall(folder, entries)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{path}: the archive is damaged ({error}); download it again") from None


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserError(
                f"{path}: the entry {name} would be written outside the folder; "
                "do not trust this archive"
            )


def _check_room(path: Path, size: int, folder: Path) -> None:
    if size > shutil.disk_usage(folder).free:
        raise UserError(f"{path}: unpacks to {size:,} bytes, more than the disk has free")
