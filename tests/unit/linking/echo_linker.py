"""A linker that says back what it was asked."""

from pgmel.records import NIL, Candidate, Link, Mention

__all__ = ["WARNINGS", "Echo"]

WARNINGS = {"missing": "picture missing: a.png", "broken": "picture broken: b.png (empty)"}


class Echo:
    """Links a mention to the entity of its name; what begins with "x" is NIL. Fails where told to."""

    def __init__(self, fail_at: str | None = None, error: BaseException | None = None) -> None:
        self.linked: list[str] = []
        self.fail_at = fail_at
        self.error = error or KeyboardInterrupt()

    def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
        links = []
        for mention in mentions:
            if mention.surface == self.fail_at:
                raise self.error
            self.linked.append(mention.surface)
            warning = WARNINGS.get(mention.image.stem) if mention.image else None
            candidates = (Candidate(f"Q-{mention.surface}", mention.surface, 0.5, 0.9),)[:top_k]
            chosen = NIL if mention.surface.startswith("x") else candidates[0].entity_id
            links.append(Link(mention.id, chosen, 0.9, candidates, (warning,) if warning else ()))
        return links
