"""How many files a process may have open: each connection is one, of the boxes' process and of the broker's."""

import resource
from typing import Final

_OTHERS: Final = 1000
"""The broker's own and the boxes' own, and those of the soak and the services, which are few."""


class TooFewFiles(Exception):
    """The hard limit is lower; the message is for whoever runs the soak."""


def allow_connections(count: int) -> None:
    """Raise our own limit, which all processes that we start inherit, as far as so many need. Raises TooFewFiles."""
    needed = count + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewFiles(
            f"{count:,} connections need {needed:,} open files in each of two processes, and this account may have {hard:,}: "
            f"'ulimit -Hn {needed}' as root, or fewer connections (--own {max(0, hard - _OTHERS)})"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
