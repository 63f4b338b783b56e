import pytest

from pgmel.features.texts import clean_text, entity_context, entity_lexical, entity_name, mention_context, mention_name
from pgmel.records import Entity, Mention


def test_mention_context_joins_surface_and_sentence() -> None:
    assert mention_context(Mention("m", "Congo", "The Congo flows.")) == "Congo. The Congo flows."


def test_mention_without_sentence_has_its_surface_as_context() -> None:
    assert mention_context(Mention("m", "Congo")) == "Congo"


def test_entity_context_prefers_the_description() -> None:
    assert entity_context(Entity("e", "Congo", ("Zaire",), "a river")) == "Congo. a river"


def test_entity_without_description_has_its_aliases_as_context() -> None:
    assert entity_context(Entity("e", "Congo", ("Zaire", "Nzadi"))) == "Congo. Zaire, Nzadi"


def test_entity_with_a_name_only_has_it_as_context() -> None:
    assert entity_context(Entity("e", "Congo")) == "Congo"


def test_nameless_entity_keeps_its_description() -> None:
    entity = Entity("e", "", description="a river")
    assert (entity_name(entity), entity_context(entity)) == ("", "a river")


def test_lexical_text_holds_name_and_aliases() -> None:
    assert entity_lexical(Entity("e", "Congo", ("Zaire", "Nzadi"))) == "Congo Zaire Nzadi"


@pytest.mark.parametrize(("raw", "clean"), [("  a \n\t b ", "a b"), ("\ud800x", "?x"), ("\u3000", ""), ("", "")])
def test_texts_are_cleaned(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean
    assert mention_name(Mention("m", raw)) == clean
