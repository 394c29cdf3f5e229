"""A small disk of its own for the database, that can be filled and freed. Only root can have one."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

SIZE_MIB: Final = 3072
_ALONE: Final = "TELECARE_SOAK_ALONE"
_CHUNKS_BYTES: Final = (1 << 28, 1 << 20, 1 << 12)  # ever smaller, until not one block is left


class NoVolume(Exception):
    """It can't be mounted here, and why."""


def go_on_alone() -> str:
    """Begin anew in a mount namespace of our own, so that the volume goes with us however we end.

    Returns only where that is not so: empty when we are in one already, else why we can't be.
    """
    if os.environ.get(_ALONE):
        return ""
    if os.geteuid() != 0:
        return "only root can mount a volume"
    if shutil.which("unshare") is None:
        return "there is no unshare (util-linux)"
    tried = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True, text=True)
    if tried.returncode == 0:
        argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.soak", *sys.argv[1:]]
        os.execvpe(argv[0], argv, {**os.environ, _ALONE: "1"})
    return f"no mount namespace of its own: {tried.stderr.strip()}"


class Volume:
    """Mounted at `at`, which must exist; `image` is a file that it may be made of. Raises NoVolume."""

    def __init__(self, at: Path, image: Path) -> None:
        if not os.environ.get(_ALONE):
            raise NoVolume("it would be left behind where others see it")
        self.kind = ""
        self._at = at
        self._ballast = at / "ballast"
        self._mount(image)

    def _mount(self, image: Path) -> None:
        """A file system on the disk, so that what is synced is; where there are no loop devices, one in memory."""
        with image.open("wb") as file:
            file.truncate(SIZE_MIB << 20)
        ways = {
            "ext4 on a loop device": [["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image)]],
            "in memory (tmpfs)": [["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "telecare-soak"]],
        }
        reasons = []
        for kind, (*before, mount) in ways.items():
            try:
                for command in (*before, [*mount, str(self._at)]):
                    subprocess.run(command, check=True, capture_output=True, text=True)
            except FileNotFoundError as error:
                reasons.append(f"{kind}: {error}")
            except subprocess.CalledProcessError as error:
                reasons.append(f"{kind}: {error.stderr.strip()}")
            else:
                self.kind = kind
                with suppress(FileNotFoundError):
                    (self._at / "lost+found").rmdir()  # PostgreSQL wants its directory for itself
                return
        raise NoVolume("; ".join(reasons))

    def fill(self) -> None:
        """Take every block that is left."""
        with self._ballast.open("ab") as ballast:
            for chunk in _CHUNKS_BYTES:
                with suppress(OSError):  # it is full
                    while True:
                        os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, chunk)

    def free(self) -> None:
        """Give them back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it: nothing may use it any more."""
        subprocess.run(["umount", str(self._at)], check=True, capture_output=True)
