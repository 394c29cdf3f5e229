"""What the service can bear, measured on the real stack: `make bench`, or `python -m tests.bench [--quick] [--only …]`.

No test: it asserts no time. It prints figures, says which of the targets they reach, and gives each rate also as a ratio to
a bare reference that ran in the same minute, for a figure of one machine says little on another.
"""
