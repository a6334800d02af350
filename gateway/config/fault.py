"""What is wrong with one value, and what to write instead: the error that the value checks raise."""


class Fault(ValueError):
    """A value that a config may not hold. pydantic collects it; `gateway.config.problems` words it.

    `message` says what is wrong, `remedy` what to write instead.
    """

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} -> {remedy}")
