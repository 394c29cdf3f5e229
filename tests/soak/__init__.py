"""`make soak`: the whole service under load and under faults, for as long as one likes; nothing may be lost or made twice.

`faults.py` is the table of what is done to it, `judge.py` the verdict over what was seen.
"""
