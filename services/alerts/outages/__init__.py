"""Outages: of devices that are affected together, people are told once, with a list of who is exposed; of any other, one by one."""
