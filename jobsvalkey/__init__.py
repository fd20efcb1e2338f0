"""A job queue on Valkey."""
