"""Gate, pads and shares: what a missing modality does to a vector."""

import math

import pytest
import torch

from pgmel.errors import SettingError
from pgmel.models import FUSIONS, Discriminator, DiscriminatorShape, FusionShape, GatedMultimodalUnit, Modalities, Tower
from pgmel.models.fusion import ModalityProjection

SHAPE = FusionShape(dim_text=4, dim_image=3, dim=7, split=4, text_share=0.5, hidden=0, activation="none")


def make_tower(side: int = 0, share: float = 0.7, dropout: float = 0.0) -> Tower:
    return Tower(
        dim_text=4, dim_image=3, dim=9, image_dim=3, text_share=share, fusion="gmu", hidden=0, activation="none", side=side, dropout=dropout
    )


def row(text: list[float] | None, image: list[float] | None) -> Modalities:
    return Modalities(
        torch.tensor([text or [0.0] * 4]),
        torch.tensor([image or [0.0] * 3]),
        torch.tensor([text is not None]),
        torch.tensor([image is not None]),
    )


TEXT, IMAGE = [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0]


def randomised(unit: GatedMultimodalUnit) -> GatedMultimodalUnit:
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=dice))
    return unit


def test_the_gate_is_closed_for_a_missing_modality_and_open_to_both_otherwise() -> None:
    unit = randomised(GatedMultimodalUnit(SHAPE))
    assert (unit.gate(row(TEXT, None)) == 1).all()
    assert (unit.gate(row(None, IMAGE)) == 0).all()
    both = unit.gate(row(TEXT, IMAGE))
    assert ((both > 0) & (both < 1)).all()


def test_the_gate_starts_even() -> None:
    assert (GatedMultimodalUnit(SHAPE).gate(row(TEXT, IMAGE)) == 0.5).all()


def test_a_gate_of_one_selects_text() -> None:
    unit = randomised(GatedMultimodalUnit(SHAPE))
    with torch.no_grad():
        unit.gate_weight.zero_()
        unit.gate_bias.fill_(50.0)
    torch.testing.assert_close(unit(row(TEXT, IMAGE)), unit(row(TEXT, None)))


@pytest.mark.parametrize(("side", "own", "other"), [(0, 7, 8), (1, 8, 7)])
def test_the_rest_of_the_length_goes_into_the_own_pad(side: int, own: int, other: int) -> None:
    tower = make_tower(side)
    for inputs, share in [(row(TEXT, IMAGE), 1.0), (row(TEXT, None), 0.7), (row(None, IMAGE), 0.3), (row(None, None), 0.0)]:
        vector = tower(inputs)[0].detach()
        assert float(vector[own]) == pytest.approx(math.sqrt(1 - share), abs=1e-6)
        assert vector[other] == 0
        assert float(vector[:7].square().sum()) == pytest.approx(share, abs=1e-6)


def test_a_row_with_nothing_scores_zero_with_everything() -> None:
    mention, entity = make_tower(0), make_tower(1)
    with torch.no_grad():
        for tower in (mention, entity):
            tower.fusion.text.bias.fill_(0.4)
            tower.fusion.image.bias.fill_(-0.3)
    nothing = mention(row(None, None))
    for inputs in (row(TEXT, IMAGE), row(TEXT, None), row(None, IMAGE), row(None, None)):
        assert (nothing * entity(inputs)).sum() == 0


@pytest.mark.parametrize(("text", "image"), [(4, 0), (0, 3)])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_without_the_only_modality_a_row_is_all_zeros(fusion: str, text: int, image: int) -> None:
    tower = Tower(
        dim_text=text,
        dim_image=image,
        dim=3,
        image_dim=3 * bool(image),
        text_share=float(bool(text)),
        fusion=fusion,
        hidden=0,
        activation="none",
        side=0,
    )
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter += 0.5
    none = torch.zeros(2, dtype=torch.bool)
    vectors = tower(Modalities(torch.zeros(2, text), torch.zeros(2, image), none, none))
    vectors.sum().backward()
    assert not vectors.any()
    assert all(parameter.grad.isfinite().all() for parameter in tower.parameters() if parameter.numel())


def test_an_entity_without_a_picture_ties_with_one_whose_picture_is_unlike_the_mentions() -> None:
    mention = make_tower(0)(row(TEXT, IMAGE))
    with_picture, without = make_tower(1)(row(TEXT, [1.0, 0.0, 0.0])), make_tower(1)(row(TEXT, None))
    torch.testing.assert_close((mention * with_picture).sum(), (mention * without).sum())


def test_a_picture_like_the_mentions_beats_a_missing_one_and_an_opposite_one_loses_to_it() -> None:
    mention, entity = make_tower(0)(row(TEXT, IMAGE)), make_tower(1)
    like, missing, opposite = (float((mention * entity(row(TEXT, image))).sum().detach()) for image in (IMAGE, None, [0.0, -1.0, 0.0]))
    assert like > missing > opposite


def test_shares_learn_and_stay_finite_when_saturated() -> None:
    tower = make_tower()
    with torch.no_grad():
        tower.share_logits.copy_(torch.tensor([60.0, -120.0]))
    inputs = [row(TEXT, None), row(None, IMAGE)]
    vectors = torch.cat([tower(rows) for rows in inputs])
    vectors.sum().backward()
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert tower.share_logits.grad.isfinite().all()


@pytest.mark.parametrize(("largest", "tolerance"), [(1.0, 0.021), (2.0, 0.076)])
def test_tanh_is_within_its_stated_tolerance(largest: float, tolerance: float) -> None:
    projection = ModalityProjection(1, 1, (0, 1), 1.0, 0, "tanh")
    x = torch.linspace(-largest, largest, 201).unsqueeze(1)
    gap = (projection(x) - x).abs()
    assert (gap <= tolerance * x.abs() + 1e-6).all()
    assert gap.max() > 0.9 * tolerance * largest


def test_dropout_acts_in_training_only() -> None:
    tower = make_tower(dropout=0.5)
    inputs = Modalities(torch.randn(20, 4), torch.randn(20, 3), torch.ones(20, dtype=torch.bool), torch.ones(20, dtype=torch.bool))
    assert not torch.equal(tower(inputs), tower(inputs))
    tower.eval()
    assert torch.equal(tower(inputs), tower(inputs))


def test_an_unknown_fusion_is_refused_with_a_hint() -> None:
    with pytest.raises(SettingError, match=r"model\.fusion .*did you mean 'concat'"):
        Tower(dim_text=4, dim_image=3, dim=9, image_dim=3, text_share=0.5, fusion="concta", hidden=0, activation="none", side=0)


def test_a_tower_needs_a_modality() -> None:
    tower = Tower(dim_text=0, dim_image=0, dim=2, image_dim=0, text_share=0.5, fusion="gmu", hidden=0, activation="none", side=0)
    none = torch.zeros(1, dtype=torch.bool)
    with pytest.raises(SettingError, match="at least one modality"):
        tower(Modalities(torch.zeros(1, 0), torch.zeros(1, 0), none, none))


def test_reset_forgets_the_warm_start_and_follows_the_seed() -> None:
    shape = DiscriminatorShape(
        dim_text=4, dim_image=3, dim=9, image_dim=3, text_share=0.5, fusion="gmu", hidden=2, activation="none", dropout=0.0
    )

    def reset(seed: int) -> Discriminator:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            discriminator = Discriminator(shape)
            discriminator.reset()
        return discriminator

    one, again, other = (reset(seed).mention.fusion.text.weight for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert (one != 0).all()
