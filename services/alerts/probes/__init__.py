"""Whether the ways to people are alive, asked before the next alarm needs them: codes that verify a channel, probes, health."""
