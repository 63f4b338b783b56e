"""Sampling from a policy over candidates, and the REINFORCE objective; tensors in, tensors out."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["PolicyTerms", "draw_distinct", "draw_independent", "policy_entropy", "reinforce"]


class PolicyTerms(NamedTuple):
    """Terms of the generator's loss, each averaged over the batch; ``loss`` is what is minimised."""

    loss: Float[Tensor, ""]
    policy: Float[Tensor, ""]
    entropy: Float[Tensor, ""]


def gumbel(shape: torch.Size, rng: torch.Generator, device: torch.device) -> Tensor:
    """Draw standard Gumbel noise; on the rng's device, so that every process and device draws the same."""
    uniform = torch.rand(shape, generator=rng, device=rng.device).clamp_min(1e-20)
    exponential = (-torch.log(uniform)).clamp_min(1e-20)
    return (-torch.log(exponential)).to(device)


def draw_distinct(logits: Float[Tensor, "batch candidates"], num: int, rng: torch.Generator) -> Int[Tensor, "batch num"]:
    """Draw without replacement by the Gumbel top-k trick (Kool et al. 2019, "Stochastic beams").

    Candidates at minus infinity come last: they are drawn only where fewer than ``num`` others exist, so check the mask of what was
    drawn. ``num`` above the number of candidates gives them all.
    """
    noisy = logits.detach() + gumbel(logits.shape, rng, logits.device)
    return noisy.topk(min(num, logits.shape[1]), dim=1).indices


def draw_independent(logits: Float[Tensor, "batch candidates"], num: int, rng: torch.Generator) -> Int[Tensor, "batch num"]:
    """Draw with replacement, each draw by the Gumbel-max trick; every row needs a finite logit."""
    detached = logits.detach().unsqueeze(1)
    noise = gumbel(torch.Size((logits.shape[0], num, logits.shape[1])), rng, logits.device)
    return (detached + noise).argmax(dim=2)


def policy_entropy(logits: Float[Tensor, "batch candidates"]) -> Float[Tensor, "batch"]:
    """Entropy of each policy in nats; candidates at minus infinity count nothing, and a policy without a candidate has 0."""
    empty = torch.isneginf(logits).all(dim=1, keepdim=True)
    log_probs = torch.log_softmax(torch.where(empty, torch.zeros_like(logits), logits), dim=1)
    # xlogy-like guard: 0 * -inf would be nan, in the gradient too.
    safe = torch.where(torch.isneginf(logits), torch.zeros_like(log_probs), log_probs)
    return -(safe.exp() * safe * ~torch.isneginf(logits)).sum(dim=1)


def reinforce(
    logits: Float[Tensor, "batch candidates"],
    actions: Int[Tensor, "batch actions"],
    advantages: Float[Tensor, "batch actions"],
    entropy_weight: float,
) -> PolicyTerms:
    """Return the REINFORCE loss of independent draws.

    ``- mean_b mean_j A_bj log pi(a_bj) - entropy_weight * mean_b H(pi_b)``; with rewards as advantages its gradient is an unbiased
    estimate of minus the gradient of the expected reward.

    Args:
        logits: The policy; a row without any finite logit takes no part.
        actions: Columns drawn independently from it.
        advantages: Reward minus baseline, detached here.
        entropy_weight: >= 0.

    Source: Williams 1992. Dropped: discounting and reward-to-go, since an episode is one choice.
    """
    alive = ~torch.isneginf(logits).all(dim=1)
    shown = torch.where(alive.unsqueeze(1), logits, torch.zeros_like(logits))
    chosen = torch.log_softmax(shown, dim=1).gather(1, actions)
    per_mention = -(advantages.detach() * chosen).mean(dim=1)
    count = alive.sum().clamp_min(1)
    policy = torch.where(alive, per_mention, torch.zeros_like(per_mention)).sum() / count
    entropy = policy_entropy(logits).sum() / count
    return PolicyTerms(policy - entropy_weight * entropy, policy, entropy)
