"""The law: pure data and pure functions. No I/O, no async, no clock, no framework."""
