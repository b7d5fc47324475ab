"""What the sample chapter shows with literalinclude."""


class Square:
    """A square."""

    def area(self) -> int:
        """Its area."""
        return 9


OUTSIDE = "not shown"
