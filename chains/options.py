"""How a question is asked, beside its chain."""

from dataclasses import dataclass

from chains.prompt import Example


@dataclass(frozen=True)
class Ways:
    """How a question is asked, beside its chain. All are off unless wanted; a summary knows none of them."""

    step_back: bool = False  # search for the more general question behind it too
    think: bool = False  # let the model reason before it answers
    parts: bool = False  # search for the parts of the question apart
    examples: tuple[Example, ...] = ()  # questions with the answers that somebody would like

    @property
    def calls(self) -> int:
        """Model calls at most, before the chain's own."""
        return self.step_back + self.parts


PLAIN = Ways()
