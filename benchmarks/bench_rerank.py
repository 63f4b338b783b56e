"""What the second stage brings and what it costs: figures of finished runs before and after it, and milliseconds per mention.

Times are processor time of one thread (other work on the machine does not count), dev mentions in batches of 64 as in linking: ``cold``
with every entity read from the knowledge base for the first time, ``warm`` with entities that were candidates before. Encoding and search
are not in them.

Example: OMP_NUM_THREADS=1 python benchmarks/bench_rerank.py runs/wikimel runs/richpediamel
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from threadpoolctl import threadpool_limits

from pgmel.evaluation import EvaluationResult, Interval
from pgmel.files import read_json
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import INDEX, KB_FILE, MODEL, load_encoders, load_reranker, read_card
from pgmel.linking.reranking import MentionFacts, Reranker, Rescorer
from pgmel.models import Embedder
from pgmel.settings import settings_from
from pgmel.workflows.material import load_material, read_data

BATCH = 64
CANDIDATES = 100


def main(runs: Annotated[list[Path], typer.Argument(help="Folders that pgmel train wrote.")]) -> None:
    """Print one row for each run."""
    torch.set_num_threads(1)
    print("| run | single vector H@1 | re-ranked H@1 | difference, paired by sentence | MRR | ms per mention, cold | warm |")
    print("|---|---|---|---|---|---|---|")
    with threadpool_limits(1):
        for run in runs:
            print("| " + " | ".join(measure(run)) + " |", flush=True)


def measure(run: Path) -> list[str]:
    """Return the cells of a run's row."""
    results = read_json(run / "results.json")
    single = EvaluationResult.from_dict(results["trained"]).overall
    reranker = load_reranker(read_card(run / "bundle"), run / "bundle")
    if reranker is None:
        return [run.name, show(single.h_at_1), "no second stage", "", f"{single.mrr.value:.3f}", "", ""]
    second = EvaluationResult.from_dict(results["reranked"]).overall
    found = results["second_stage"]
    change = f"{show(Interval(**found['difference']), sign='+')}, p = {found['p_value']:.2g}"
    cold, warm = time_stage(run, reranker)
    mrr = f"{single.mrr.value:.3f} -> {second.mrr.value:.3f}"
    return [run.name, show(single.h_at_1), show(second.h_at_1), change, mrr, f"{cold:.2f}", f"{warm:.2f}"]


def time_stage(run: Path, reranker: Reranker) -> tuple[float, float]:
    """Return milliseconds per dev mention, with entities read for the first time and with entities seen before."""
    bundle = run / "bundle"
    card = read_card(bundle)
    settings = settings_from(read_json(run / "settings.json"))
    dev = settings.data.dev_split
    material = load_material(read_data(settings, None), load_encoders(card, bundle, use_cache=True), [dev], show_progress=False)
    mentions = material.splits[dev].mentions
    vectors = Embedder.load(bundle / MODEL).embed_mentions(material.splits[dev].features)
    scores, rows = EntityIndex.load(bundle / INDEX).search(vectors, CANDIDATES)
    passes = []
    with KnowledgeBase.open(bundle / KB_FILE) as kb:
        rescorer = Rescorer(reranker, kb.get_many)
        for _ in range(2):
            began = time.process_time()
            for start in range(0, len(mentions), BATCH):
                part = slice(start, start + BATCH)
                rescorer.reorder([MentionFacts.of(mention) for mention in mentions[part]], scores[part], rows[part])
            passes.append((time.process_time() - began) / len(mentions) * 1000)
    return passes[0], passes[1]


def show(interval: Interval, sign: str = "") -> str:
    """Return a figure with its interval."""
    return f"{interval.value:{sign}.4f} [{interval.low:{sign}.4f}, {interval.high:{sign}.4f}]"


if __name__ == "__main__":
    typer.run(main)
