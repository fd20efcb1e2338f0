"""Other frameworks: each module here is imported by itself, and needs the package that it is for."""

__all__: list[str] = []
