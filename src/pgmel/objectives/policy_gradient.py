"""Sampling from a policy over candidates, and the objectives it learns by; tensors in, tensors out."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "PolicyTerms",
    "clipped",
    "draw_distinct",
    "draw_independent",
    "drawable",
    "log_probabilities",
    "max_likelihood",
    "policy_entropy",
    "reinforce",
]


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


def drawable(logits: Float[Tensor, "batch candidates"]) -> Float[Tensor, "batch candidates"]:
    """Make policies without any candidate uniform, so that drawing works; mask what is drawn from them."""
    empty = torch.isneginf(logits).all(dim=1, keepdim=True)
    return torch.where(empty, torch.zeros_like(logits), logits)


def log_probabilities(logits: Float[Tensor, "batch candidates"], actions: Int[Tensor, "batch actions"]) -> Float[Tensor, "batch actions"]:
    """Return the log-probability of each action; that of a policy without any candidate counts as uniform."""
    return torch.log_softmax(drawable(logits), dim=1).gather(1, actions)


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
    return _terms(logits, -(advantages.detach() * log_probabilities(logits, actions)).mean(dim=1), entropy_weight)


def clipped(
    logits: Float[Tensor, "batch candidates"],
    actions: Int[Tensor, "batch actions"],
    advantages: Float[Tensor, "batch actions"],
    drawn_log_probs: Float[Tensor, "batch actions"],
    clip_range: float,
    entropy_weight: float,
) -> PolicyTerms:
    """Return the clipped surrogate loss of independent draws.

    ``- mean_b mean_j min(q A, clip(q, 1 - c, 1 + c) A) - entropy_weight * mean_b H(pi_b)`` with ``q = pi(a) / pi_drawn(a)``. Where the
    policy is still the one that drew, q is 1 and the gradient is that of :func:`reinforce`.

    Args:
        logits: The policy as it is; a row without any finite logit takes no part.
        actions: Columns drawn independently from the policy as it was.
        advantages: Reward minus baseline, detached here.
        drawn_log_probs: Log-probability of each action at the time of drawing, detached here.
        clip_range: c, 0 to 1: beyond it a draw gives no further push in the direction of its advantage.
        entropy_weight: >= 0.

    Source: Schulman et al. 2017, equation 7. Dropped: the value function and generalised advantages, since an episode is one choice.
    """
    ratio = (log_probabilities(logits, actions) - drawn_log_probs.detach()).exp()
    gain = advantages.detach()
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip_range, 1 + clip_range) * gain)
    return _terms(logits, -surrogate.mean(dim=1), entropy_weight)


def max_likelihood(
    logits: Float[Tensor, "batch candidates"],
    actions: Int[Tensor, "batch actions"],
    rewards: Float[Tensor, "batch actions"],
    temperature: float,
    entropy_weight: float,
) -> PolicyTerms:
    """Return the negative log-likelihood of the draws, weighted by what they were paid.

    ``- mean_b sum_j w_bj log pi(a_bj) - entropy_weight * mean_b H(pi_b)`` with ``w_b = softmax(r_b / temperature)`` over the mention's own
    draws. These are the self-normalised weights under which draws from pi stand for draws from the better policy
    ``pi*(a) ~ pi(a) exp(r(a) / temperature)``, so with many draws the gradient is that of the likelihood of samples of pi*. No weight is
    negative, there is no baseline, and adding a constant to the rewards changes nothing.

    Args:
        logits: The policy; a row without any finite logit takes no part.
        actions: Columns drawn independently from it.
        rewards: Their rewards, detached here.
        temperature: Rewards are divided by it, > 0.
        entropy_weight: >= 0.

    Source: MyGO, "Reinforcing Question Answering Agents with Minimalist Policy Gradient Optimization", arXiv 2505.17086: maximum
    likelihood of samples from an asymptotically optimal policy in place of policy-gradient updates. Only its abstract was at hand; that
    the samples come from the current policy and are re-weighted is ours.
    """
    weights = torch.softmax(rewards.detach() / temperature, dim=1)
    return _terms(logits, -(weights * log_probabilities(logits, actions)).sum(dim=1), entropy_weight)


def _terms(logits: Float[Tensor, "batch candidates"], per_mention: Float[Tensor, "batch"], entropy_weight: float) -> PolicyTerms:
    """Average over the mentions that have candidates, and take the entropy bonus off."""
    alive = ~torch.isneginf(logits).all(dim=1)
    count = alive.sum().clamp_min(1)
    policy = torch.where(alive, per_mention, torch.zeros_like(per_mention)).sum() / count
    entropy = policy_entropy(logits).sum() / count
    return PolicyTerms(policy - entropy_weight * entropy, policy, entropy)
