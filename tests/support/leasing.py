"""Runs a service whose leases last for as long as is said: `python -m tests.support.leasing SECONDS SERVICE`.

For tests in which none lapses: the four seconds of the service are as soon over as a busy machine pauses. What a lapse does is
shown where one is made.
"""

import sys

from services.chassis.shard import lease, runner

if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    for module, name in ((lease, "LEASE_S"), (lease, "LAPSE_S"), (runner, "LEASE_S")):
        setattr(module, name, seconds)
    from services.cli.main import main

    main()
