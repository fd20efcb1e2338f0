"""The command line: `jobsvalkey`, or `python -m jobsvalkey.cli`. Thin; what it does, the library does."""
