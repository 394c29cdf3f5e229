"""Who and what: councils, hubs and their channels, devices and where each stands, tokens, and the rollout.

A package per noun, each with its store, its SQL and its routes; `domain/` decides; `service.build` wires.
"""
