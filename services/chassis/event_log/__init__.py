"""The log between services, in which nothing is skipped and rows of one key keep their order.

A producer appends a row in the transaction of the fact; a consumer claims it in the transaction that decides what follows, and
deletes it there. A crash anywhere leaves the row, or leaves what followed from it.

(A cursor over a serial id would skip rows that commit late.)
"""

from services.chassis.event_log.append import LogEntry, append
from services.chassis.event_log.consumer import Consumer
from services.chassis.event_log.failures import handle_each
from services.chassis.event_log.row import AfterCommit, LogRow

__all__ = ["AfterCommit", "Consumer", "LogEntry", "LogRow", "append", "handle_each"]
