"""Whether a reply of the twin is lost."""


class LostReplies:
    """Whether the next reply is lost."""

    def __init__(self) -> None:
        self.armed = False

    def lose_one(self) -> bool:
        """Whether this reply is lost; the one after it is not."""
        lost, self.armed = self.armed, False
        return lost
