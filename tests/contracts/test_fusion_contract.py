"""What every way of fusing text and image promises, alone and inside the discriminator."""

import itertools

import pytest
import torch
from torch import Tensor

from pgmel.models import FUSIONS, Discriminator, DiscriminatorShape, FusionShape, Modalities

TEXT, IMAGE = 8, 5
DIM = TEXT + IMAGE + 2

every_fusion = pytest.mark.parametrize("fusion", FUSIONS)
every_depth = pytest.mark.parametrize("hidden", [0, 16])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(*shape: int, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=rng(seed)), dim=-1)


def make_rows(seed: int, copies: int = 6, text: int = TEXT, image: int = IMAGE) -> Modalities:
    """Rows with both, text only, image only and nothing, in turn; a missing modality is zero, as the projection gives it."""
    has = torch.tensor(list(itertools.product([True, False], repeat=2)) * copies)
    has_text, has_image = has[:, 0], has[:, 1]
    rows = len(has)
    texts, images = unit(rows, text, seed=seed), unit(rows, image, seed=seed + 1)
    return Modalities(texts * has_text[:, None], images * has_image[:, None], has_text, has_image)


def make_discriminator(fusion: str, **changes: object) -> Discriminator:
    shape = {
        "dim_text": TEXT,
        "dim_image": IMAGE,
        "dim": DIM,
        "image_dim": IMAGE,
        "text_share": 0.6,
        "fusion": fusion,
        "hidden": 0,
        "activation": "none",
        "dropout": 0.0,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(DiscriminatorShape(**(shape | changes)))


def shake(module: torch.nn.Module, std: float = 0.3) -> torch.nn.Module:
    """Move every parameter, as training would."""
    dice = rng(9)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += std * torch.randn(parameter.shape, generator=dice)
    return module


def zero_shot(mentions: Modalities, entities: Modalities, share: float) -> Tensor:
    """Weighted sum of the similarities, a missing picture or text counting as similarity 0; one pair at a time."""
    table = torch.zeros(len(mentions.has_text), len(entities.has_text))
    for m, e in itertools.product(range(table.shape[0]), range(table.shape[1])):
        if mentions.has_text[m] and entities.has_text[e]:
            table[m, e] += share * float(mentions.text[m] @ entities.text[e])
        if mentions.has_image[m] and entities.has_image[e]:
            table[m, e] += (1 - share) * float(mentions.image[m] @ entities.image[e])
    return table


@every_fusion
@every_depth
@pytest.mark.parametrize("share", [0.5, 0.2, 0.9])
def test_the_untrained_model_gives_the_zero_shot_similarity_whatever_is_missing_on_either_side(
    fusion: str, hidden: int, share: float
) -> None:
    discriminator = make_discriminator(fusion, hidden=hidden, text_share=share)
    mentions, entities = make_rows(0), make_rows(5)
    scores = discriminator.embed_mentions(mentions) @ discriminator.embed_entities(entities).T
    torch.testing.assert_close(scores, zero_shot(mentions, entities, share), rtol=0, atol=1e-5)


@every_fusion
def test_with_tanh_the_untrained_model_stays_near_the_zero_shot_similarity(fusion: str) -> None:
    discriminator = make_discriminator(fusion, activation="tanh")
    mentions, entities = make_rows(0), make_rows(5)
    scores = discriminator.embed_mentions(mentions) @ discriminator.embed_entities(entities).T
    torch.testing.assert_close(scores, zero_shot(mentions, entities, 0.6), rtol=0, atol=0.02)


@every_fusion
@every_depth
@pytest.mark.parametrize(("text", "image"), [(TEXT, 0), (0, IMAGE)])
def test_a_single_modality_gives_its_own_similarity_without_pads(fusion: str, hidden: int, text: int, image: int) -> None:
    width = text + image
    discriminator = make_discriminator(
        fusion, dim_text=text, dim_image=image, dim=width, image_dim=image, text_share=float(bool(text)), hidden=hidden
    )
    one, two = unit(7, width, seed=1), unit(9, width, seed=2)

    def rows(values: Tensor) -> Modalities:
        there, not_there = torch.ones(len(values), dtype=torch.bool), torch.zeros(len(values), dtype=torch.bool)
        empty = torch.zeros(len(values), 0)
        return Modalities(values, empty, there, not_there) if text else Modalities(empty, values, not_there, there)

    scores = discriminator.embed_mentions(rows(one)) @ discriminator.embed_entities(rows(two)).T
    torch.testing.assert_close(scores, one @ two.T, rtol=0, atol=1e-5)


@every_fusion
@every_depth
@pytest.mark.parametrize("activation", ["none", "tanh"])
def test_vectors_have_unit_length_before_and_after_training(fusion: str, hidden: int, activation: str) -> None:
    rows = make_rows(0)
    for discriminator in (
        make_discriminator(fusion, hidden=hidden, activation=activation),
        shake(make_discriminator(fusion, hidden=hidden, activation=activation)),
    ):
        for embed in (discriminator.embed_mentions, discriminator.embed_entities):
            vectors = embed(rows)
            assert vectors.shape == (24, DIM)
            assert vectors.dtype == torch.float32
            torch.testing.assert_close(vectors.norm(dim=1), torch.ones(24))


@every_fusion
@every_depth
def test_what_stands_in_a_missing_modality_is_never_read(fusion: str, hidden: int) -> None:
    discriminator = shake(make_discriminator(fusion, hidden=hidden))
    clean = make_rows(0)
    junk = clean._replace(
        text=torch.where(clean.has_text[:, None], clean.text, 100.0),
        image=torch.where(clean.has_image[:, None], clean.image, -100.0),
    )
    torch.testing.assert_close(discriminator.embed_mentions(junk), discriminator.embed_mentions(clean))


@every_fusion
@every_depth
def test_gradients_are_finite_and_none_reaches_a_missing_modality(fusion: str, hidden: int) -> None:
    discriminator = shake(make_discriminator(fusion, hidden=hidden))
    rows = make_rows(0)
    rows.text.requires_grad_()
    rows.image.requires_grad_()
    scores = discriminator.embed_mentions(rows) @ discriminator.embed_entities(make_rows(5)).T
    (scores * torch.randn(scores.shape, generator=rng())).sum().backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert not rows.text.grad[~rows.has_text].any()
    assert not rows.image.grad[~rows.has_image].any()
    assert rows.text.grad[rows.has_text].any()
    assert rows.image.grad[rows.has_image].any()


@every_fusion
@every_depth
def test_gradients_are_finite_where_no_row_has_anything(fusion: str, hidden: int) -> None:
    discriminator = make_discriminator(fusion, hidden=hidden)
    none = torch.zeros(3, dtype=torch.bool)
    rows = Modalities(torch.zeros(3, TEXT), torch.zeros(3, IMAGE), none, none)
    vectors = discriminator.embed_mentions(rows)
    vectors.sum().backward()
    assert vectors.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in discriminator.parameters())


@every_fusion
def test_every_parameter_of_both_sides_learns_from_the_warm_start(fusion: str) -> None:
    discriminator = make_discriminator(fusion, hidden=16)
    scores = discriminator.embed_mentions(make_rows(0)) @ discriminator.embed_entities(make_rows(5)).T
    (scores * torch.randn(scores.shape, generator=rng())).sum().backward()
    still = {name for name, parameter in discriminator.named_parameters() if not parameter.grad.any()}
    # The hidden layers' outer weights start at zero, so their inner ones move from the second step on.
    assert all(".inner." in name for name in still)


@every_fusion
def test_a_row_comes_out_the_same_alone_in_a_batch_and_in_a_grid(fusion: str) -> None:
    discriminator = shake(make_discriminator(fusion, hidden=16))
    rows = make_rows(0)
    whole = discriminator.embed_entities(rows)
    alone = torch.cat([discriminator.embed_entities(rows.rows(torch.tensor([row]))) for row in range(24)])
    grid = discriminator.embed_entities(rows.rows(torch.arange(24).view(4, 6)))
    torch.testing.assert_close(alone, whole)
    torch.testing.assert_close(grid, whole.view(4, 6, DIM))
    assert discriminator.embed_entities(rows.rows(torch.zeros(0, dtype=torch.long))).shape == (0, DIM)


@every_fusion
def test_bfloat16_arithmetic_still_gives_float32_vectors_of_unit_length_near_those_of_float32(fusion: str) -> None:
    discriminator = shake(make_discriminator(fusion, hidden=16), 0.1)
    rows = make_rows(0)
    exact = discriminator.embed_mentions(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = discriminator.embed_mentions(rows)
        (rough @ exact.detach().T).float().sum().backward()
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough.norm(dim=1), torch.ones(24))
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.03)
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in discriminator.parameters())


@every_fusion
def test_blocks_start_apart(fusion: str) -> None:
    """Text fills the first block of the fused vector, the image the second."""
    shape = FusionShape(dim_text=TEXT, dim_image=IMAGE, dim=10, split=6, text_share=0.5, hidden=0, activation="none")
    fused = FUSIONS[fusion](shape)
    there, not_there = torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)
    text_only = fused(Modalities(unit(3, TEXT), torch.zeros(3, IMAGE), there, not_there))
    image_only = fused(Modalities(torch.zeros(3, TEXT), unit(3, IMAGE), not_there, there))
    assert text_only[:, :6].all()
    assert not text_only[:, 6:].any()
    assert image_only[:, 6:].all()
    assert not image_only[:, :6].any()
