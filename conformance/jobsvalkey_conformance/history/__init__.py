"""Histories of many clients at once, recorded and then checked."""
