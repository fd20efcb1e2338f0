"""The demo: one job for every file below a folder, two workers, and one of them is killed."""
