"""A Debian 13 as a machine of its own: a root file system whose systemd we boot in namespaces, without a container engine.

What is in it are Debian's packages, as apt gets them; its network is loopback and nothing else. It needs root, `unshare` and a
kernel that lets root make namespaces; where one is missing the test fails and says so.
"""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.support.stack import DEPLOY, REPOSITORY, STACK
from tests.support.waiting import until

_BOOT: Final = Path(__file__).with_name("boot_debian")
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}
# Not a machine's own business here: consoles, devices and the kernel are the host's.
_MASKED: Final = [
    "getty.target",
    "console-getty.service",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-logind.service",
    "prometheus-node-exporter.service",
    "e2scrub_reap.service",
]

# Other tests' data (tar also fails for a directory itself that changes while it reads it), and what is big and of no use here.
_NOT_COPIED: Final = (
    "tmp",
    "usr/share/doc",
    "usr/share/locale",
    "var/cache/*/*",
)


def packages() -> list[str]:
    """What deploy/debian/install installs."""
    lines = re.findall(r"^(?:packages|watching)=\((.+)\)$", (DEPLOY / "debian" / "install").read_text(), re.MULTILINE)
    return [name for line in lines for name in shlex.split(line)]


class Debian:
    """A root file system; `booted` makes a machine of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._init: int | None = None

    @classmethod
    def made(cls, root: Path) -> "Debian":
        """The servers as deploy/stack/install got them, and by apt what else our script wants; systemd, as machines have it."""
        root.mkdir()
        # Not the tests' own data, and what other tests are writing there at the moment.
        if STACK.root == Path("/"):  # a Debian 13 already, and not one to change
            subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", "trixie", root], check=True, timeout=300)
        else:
            without = [f"--exclude=./{each}" for each in _NOT_COPIED]
            with subprocess.Popen(
                ["tar", "-C", STACK.root, *without, "-cf", "-", "."], stdout=subprocess.PIPE
            ) as packed:
                subprocess.run(["tar", "-C", root, "-xf", "-"], stdin=packed.stdout, check=True, timeout=300)
            assert packed.returncode == 0
            (root / "tmp").mkdir()
            (root / "tmp").chmod(0o1777)
        debian = cls(root)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")  # packages start nothing: it is no machine yet
        policy.chmod(0o755)
        debian.in_chroot("apt-get", "update", "--quiet=2")
        wanted = [*packages(), "systemd", "dbus", "curl"]
        no_sync = "-oDpkg::Options::=--force-unsafe-io"
        debian.in_chroot("apt-get", "install", no_sync, "--quiet=2", "--yes", "--no-install-recommends", *wanted)
        policy.unlink()
        for unit in _MASKED:
            link = root / "etc" / "systemd" / "system" / unit
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        shutil.copytree(DEPLOY, root / "src" / "deploy")
        shutil.copy(REPOSITORY / "requirements.lock", root / "src")
        return debian

    def in_chroot(self, *argv: str) -> None:
        """Run a program on the file system, with the host's network and no machine."""
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        environment = _ENVIRONMENT | proxies | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            ["chroot", self.root, *argv], check=False, capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"

    @asynccontextmanager
    async def booted(self) -> AsyncIterator[None]:
        """The machine runs, until it is left; nothing of it outlives us."""
        namespaces = ["--net", "--mount", "--pid", "--cgroup", "--uts", "--ipc"]
        unshare = subprocess.Popen(  # noqa: ASYNC220 - it blocks for no longer than a fork
            ["unshare", *namespaces, "--fork", "--kill-child", _BOOT, self.root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_ENVIRONMENT,
        )
        try:
            self._init = await until(lambda: _process_one(unshare), 60, what="systemd to be process 1")
            # A degraded one has a unit that failed: each test looks at those that it is about.
            await until(self._answers, 180, what="systemd to have started everything")
            yield
        finally:
            self._init = None
            for child in psutil.Process(unshare.pid).children():
                child.kill()  # its process 1: the kernel ends all others of the namespace
            unshare.kill()
            unshare.wait(60)
            assert unshare.stdout is not None
            unshare.stdout.close()

    async def _answers(self) -> bool:
        told = await asyncio.to_thread(self.run, "systemctl", "is-system-running", "--wait", check=False, timeout_s=180)
        return told.stdout.strip() in {"running", "degraded"}

    def argv(self, *argv: str) -> list[str]:
        """The command line that runs a program on the machine, as its root."""
        assert self._init is not None, "it is not booted"
        return ["nsenter", "--target", str(self._init), "--all", "--root", "--wd", *argv]

    def run(
        self, *argv: str, check: bool = True, timeout_s: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        done = subprocess.run(
            self.argv(*argv),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            input=stdin,
            text=True,
            env=_ENVIRONMENT,
            timeout=timeout_s,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout[-6000:]}"
        return done

    def run_shell(self, script: str, *, timeout_s: float = 60) -> str:
        """The output of a few lines of shell."""
        return self.run("sh", "-euc", script, timeout_s=timeout_s).stdout


def _process_one(unshare: subprocess.Popen[bytes]) -> int | None:
    if unshare.poll() is not None:
        assert unshare.stdout is not None
        raise AssertionError(f"no machine can be booted here: {unshare.stdout.read().decode()}")
    children = psutil.Process(unshare.pid).children()
    return children[0].pid if children and children[0].name() == "systemd" else None
