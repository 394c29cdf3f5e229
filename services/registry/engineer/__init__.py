"""The engineer's pages, for a phone in a hallway: find or register a box, take it through its stages, see it proved."""
