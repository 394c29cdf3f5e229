"""What is decided about an alarm, and why: pure, so that it can be read, and proved, apart from everything that does it."""
