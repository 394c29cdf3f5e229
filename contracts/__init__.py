"""What crosses a boundary: ids, topics, payloads, vocabulary. Standard library and pydantic only; no I/O."""
