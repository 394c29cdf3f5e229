"""Outages: many devices that fell silent, or lost mains, together, and what they have in common. Pure, and of counts alone.

`find.py` says whether it is one, and of what; `moves.py` what becomes of all that are open; `course.py` is the life of one.
"""
