"""The in-memory twin."""
