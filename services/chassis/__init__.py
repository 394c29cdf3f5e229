"""Plumbing that every service needs, without a telecare noun in it: settings, logging, clock, postgres, mqtt, http, run."""
