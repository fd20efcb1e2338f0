"""Other frameworks: import each module here by itself; it needs the package of its framework."""

__all__: list[str] = []
