"""What explanations cost: milliseconds of linking a mention with and without, and how many times as long.

Run: ``OMP_NUM_THREADS=1 python benchmarks/bench_explain.py runs/wikimel/bundle=DATA/wikimel runs/emoji/bundle=DATA/emoji``

Dev mentions, drawn by ``--seed``, are linked one at a time, plain and explained in turn, so that both meet the same machine; the first few
of each are not counted. Times are processor time of one thread and contain everything: encoding without the cache, search, second stage.
The ratio is the median of the mentions' own ratios, with quartiles. "Together" are the same mentions, plain and all at once, in batches.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from threadpoolctl import threadpool_limits

from pgmel.linking import Linker
from pgmel.records import Mention
from pgmel.workflows.material import open_dataset

WARM_UP = 3


class Cost(NamedTuple):
    """Milliseconds of one mention, the words that were tried, and whether parts of a picture were."""

    together: float
    plain: float
    explained: float
    words: int
    pictured: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="BUNDLE=DATA")
    parser.add_argument("--mentions", type=int, default=100, help="dev mentions of each data set")
    parser.add_argument("--top-k", type=int, default=10, help="candidates that are explained")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| data | mentions | words tried | ms plain | ms explained | times as long, quartiles | ms plain, together |")
    print("|---|---|---|---|---|---|---|")
    with threadpool_limits(1):
        for pair in args.pairs:
            bundle, _, data = pair.partition("=")
            mentions = list(open_dataset(Path(data), "auto", "skip").splits["dev"])
            drawn = random.Random(args.seed).sample(mentions, min(args.mentions + WARM_UP, len(mentions)))
            costs = measure(Path(bundle), drawn, args.top_k)
            for title, group in (
                ("", [one for one in costs if not one.pictured]),
                (", with picture", [one for one in costs if one.pictured]),
            ):
                if group:
                    print(f"| {Path(data).name}{title} | {' | '.join(show(group))} |", flush=True)


def measure(bundle: Path, mentions: Sequence[Mention], top_k: int) -> list[Cost]:
    """Link every mention plain and explained."""
    costs = []
    with Linker.load(bundle) as linker:
        for mention in mentions:
            times = []
            for explain in (False, True):
                began = time.process_time()
                (link,) = linker.link([mention], top_k, explain)
                times.append((time.process_time() - began) * 1000)
            told = [candidate.explanation for candidate in link.candidates if candidate.explanation is not None]
            costs.append(Cost(0.0, times[0], times[1], len(told[0].words) if told else 0, bool(told) and told[0].picture is not None))
        began = time.process_time()
        linker.link(mentions, top_k)
        together = (time.process_time() - began) / len(mentions) * 1000
    return [one._replace(together=together) for one in costs[WARM_UP:]]


def show(costs: Sequence[Cost]) -> list[str]:
    """Return the cells of a row: medians."""
    ratios = [one.explained / one.plain for one in costs]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return [
        str(len(costs)),
        f"{statistics.median(one.words for one in costs):g}",
        f"{statistics.median(one.plain for one in costs):.1f}",
        f"{statistics.median(one.explained for one in costs):.0f}",
        f"{statistics.median(ratios):.1f} [{quartiles[0]:.1f}, {quartiles[2]:.1f}]",
        f"{costs[0].together:.1f}",
    ]


if __name__ == "__main__":
    main()
