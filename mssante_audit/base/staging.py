"""The output folder of a run: locked, filled at once at the end, cleaned of what killed runs left.

A run builds everything in a hidden folder inside the output folder and renames it into place at the end, so
that a failure, a full disk or a kill leaves what was there before.
"""

import fcntl
import glob
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import OutputError
from mssante_audit.base.export import writing

LOCK = ".lock"  # in an output folder
STAGING = ".run-"  # prefix of a run's hidden folder there
SCRATCH = "mssante-kernel-"  # prefix of a kernel's folder among the temporary ones


@contextmanager
def exclusive(
    folder: Path, busy: str, remedy: str = "Wait for it to end", *, lock: str = LOCK
) -> Iterator[None]:
    """Hold a folder's lock, or another file there; make the folder if there is none.

    Where another process holds it (`busy`), or something cannot be written meanwhile, it is an `OutputError`.
    """
    with writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / lock, timeout=0.5):  # `is_held` takes it for an instant
                yield
        except Timeout:
            raise OutputError(busy, file=str(folder), remedy=remedy) from None


def is_held(folder: Path) -> bool:
    """Tell whether a process holds a folder's lock; where that cannot be seen, one may."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def private(folder: Path | None = None, *, names_persons: bool = True) -> Iterator[None]:
    """Let nobody else read what is written meanwhile, nor enter `folder`, where it names persons."""
    if not names_persons:
        yield
        return
    before = os.umask(0o077)
    try:
        yield
        if folder:
            folder.chmod(0o700)
    finally:
        os.umask(before)


@contextmanager
def locked(out: Path) -> Iterator[Path]:
    """Hold the output folder's lock; yield a hidden folder in it, removed at the end."""
    with exclusive(out, "another run is writing here", "Wait for it to end, or choose another folder"):
        _clear(out)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=out))
        try:
            yield staging
        finally:
            _clear(out)


def publish(staging: Path, out: Path, stale: Sequence[Path]) -> None:
    """Rename what `staging` holds into `out`, the index last, and remove what is `stale` there.

    A folder there that is a link is an `OutputError`: what lies elsewhere is neither written over nor
    removed.
    """
    built = [path for path in staging.rglob("*") if path.is_file()]
    for folder in {(out / path).parent for path in (*(b.relative_to(staging) for b in built), *stale)}:
        if folder != out and folder.is_symlink():
            raise OutputError("is a link, and is not followed", file=str(folder), remedy="Move it away")
    # Ctrl-C and termination are held back for the moment it takes to rename a few files.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        for path in sorted(built, key=lambda p: (p.name == "index.html", p)):
            target = out / path.relative_to(staging)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
        for path in stale:
            (out / path).unlink(missing_ok=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def link_file(source: Path, target: Path) -> None:
    """Put a file at another place as well: by a hard link, or a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def scratch_of(staging: Path, name: str) -> Path:
    """Return the folder of report `name`'s kernel: of a short path, and named after its run's folder."""
    run = staging.name.removeprefix(STAGING)
    return Path(tempfile.gettempdir(), f"{SCRATCH}{run}-{digest(name)[:12]}")


def _clear(out: Path) -> None:
    """Remove the hidden folders of runs, this one's or those of killed ones, and their kernels' folders."""
    for staging in out.glob(f"{STAGING}*"):
        kernels = f"{SCRATCH}{glob.escape(staging.name.removeprefix(STAGING))}-*"
        for folder in (staging, *Path(tempfile.gettempdir()).glob(kernels)):
            shutil.rmtree(folder, ignore_errors=True)


def put_folder(
    out: Path, fill: Callable[[Path], object], *, names: Collection[str], force: bool = False
) -> Path:
    """Make a folder that appears whole or not at all: an empty one, or one that is not there yet.

    `fill` is called with a folder that is not there yet either. With `force` one filled earlier, which may
    hold `names`, is replaced. A folder that is not empty, holds something else, or cannot be written is an
    `OutputError`.
    """

    def refused(message: str, remedy: str = "Name another folder") -> OutputError:
        return OutputError(message, file=str(out), remedy=remedy)

    with writing(out):
        if out.exists() and not out.is_dir():
            raise refused("is a file, not a folder")
        entries = {entry.name for entry in out.iterdir()} if out.exists() else set()
        if entries and not force:
            raise refused("the folder is not empty", "Name another folder, or use --force")
        if foreign := sorted(entries.difference(names)):
            raise refused("the folder holds {}, which is no part of a sample", repr(foreign[0]))
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            new, old = Path(scratch, "new"), Path(scratch, "old")
            fill(new)
            try:
                if out.exists():
                    out.rename(old)
                new.rename(out)
            except BaseException:
                if old.exists() and not out.exists():
                    old.rename(out)
                raise
    return out
