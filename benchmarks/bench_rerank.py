"""What the second stage brings and what it costs: figures of finished runs before and after it, and milliseconds per mention.

Times are processor time of one thread (other work on the machine does not count), dev mentions in batches of 64 as in linking: ``cold``
with every entity read from the knowledge base for the first time, ``warm`` with entities that were candidates before. Encoding and search
are not in them. "Misspelt" is H@1 of 300 dev mentions with two neighbouring letters exchanged, as in ``bench_candidates.py``.

Example: OMP_NUM_THREADS=1 python benchmarks/bench_rerank.py runs/wikimel runs/richpediamel
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from bench_candidates import misspell
from threadpoolctl import threadpool_limits

from pgmel.candidates import CandidateTable
from pgmel.evaluation import EvaluationResult, Interval
from pgmel.files import read_json
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import INDEX, KB_FILE, MODEL, CandidateSearch, load_encoders, load_reranker, read_card
from pgmel.linking.proposing import open_search
from pgmel.linking.reranking import MentionFacts, Reranker, Rescorer
from pgmel.models import Embedder
from pgmel.records import Mention
from pgmel.settings import settings_from
from pgmel.workflows.material import load_material, read_data

BATCH = 64
TYPOS = 300


def main(runs: Annotated[list[Path], typer.Argument(help="Folders that pgmel train wrote.")]) -> None:
    """Print one row for each run."""
    torch.set_num_threads(1)
    print("| run | single vector H@1 | re-ranked H@1 | difference, paired by clusters | MRR | misspelt H@1 | ms per mention, cold | warm |")
    print("|---|---|---|---|---|---|---|---|")
    with threadpool_limits(1):
        for run in runs:
            print("| " + " | ".join(measure(run)) + " |", flush=True)


def measure(run: Path) -> list[str]:
    """Return the cells of a run's row."""
    results = read_json(run / "results.json")
    single = EvaluationResult.from_dict(results["trained"]).overall
    reranker = load_reranker(read_card(run / "bundle"), run / "bundle")
    if reranker is None:
        return [run.name, show(single.h_at_1), "no second stage", "", f"{single.mrr.value:.3f}", "", "", ""]
    second = EvaluationResult.from_dict(results["reranked"]).overall
    found = results["second_stage"]
    change = f"{show(Interval(**found['difference']), sign='+')}, p = {found['p_value']:.2g}"
    opened = Opened.of(run)
    with KnowledgeBase.open(run / "bundle" / KB_FILE) as kb:
        misspelt = "{:.3f} -> {:.3f}".format(*misspelt_hits(opened, kb, reranker))
        cold, warm = time_stage(opened, kb, reranker)
    mrr = f"{single.mrr.value:.3f} -> {second.mrr.value:.3f}"
    return [run.name, show(single.h_at_1), show(second.h_at_1), change, mrr, misspelt, f"{cold:.2f}", f"{warm:.2f}"]


class Opened(NamedTuple):
    """A run's bundle and its dev mentions."""

    mentions: Sequence[Mention]
    vectors: Any
    encoders: Any
    embedder: Embedder
    search: CandidateSearch

    @classmethod
    def of(cls, run: Path) -> "Opened":
        bundle = run / "bundle"
        card, settings = read_card(bundle), settings_from(read_json(run / "settings.json"))
        encoders, embedder = load_encoders(card, bundle, use_cache=True), Embedder.load(bundle / MODEL)
        dev = settings.data.dev_split
        split = load_material(read_data(settings, None), encoders, [dev], show_progress=False).splits[dev]
        search = open_search(card, bundle, EntityIndex.load(bundle / INDEX))
        return cls(split.mentions, embedder.embed_mentions(split.features), encoders, embedder, search)

    def propose(self, mentions: Sequence[Mention], vectors: Any, reranker: Reranker) -> Iterator[tuple[list[MentionFacts], CandidateTable]]:
        for start in range(0, len(mentions), BATCH):
            part = mentions[start : start + BATCH]
            surfaces = [mention.surface for mention in part]
            table = self.search.propose(vectors[start : start + BATCH], surfaces, sure=reranker.depth, named=reranker.by_name)
            yield [MentionFacts.of(mention) for mention in part], table


def time_stage(opened: Opened, kb: KnowledgeBase, reranker: Reranker) -> tuple[float, float]:
    """Return milliseconds per dev mention, with entities read for the first time and with entities seen before."""
    tables = [table for _, table in opened.propose(opened.mentions, opened.vectors, reranker)]
    rescorer, passes = Rescorer(reranker, kb.get_many), []
    for _ in range(2):
        began = time.process_time()
        for start, table in zip(range(0, len(opened.mentions), BATCH), tables, strict=True):
            rescorer.reorder([MentionFacts.of(mention) for mention in opened.mentions[start : start + BATCH]], table)
        passes.append((time.process_time() - began) / len(opened.mentions) * 1000)
    return passes[0], passes[1]


def misspelt_hits(opened: Opened, kb: KnowledgeBase, reranker: Reranker) -> tuple[float, float]:
    """Return H@1 of misspelt mentions by the single vector and after ranking again."""
    known = [mention for mention in opened.mentions if isinstance(mention.entity_id, str) and mention.entity_id in kb]
    chosen = np.sort(np.random.default_rng(0).permutation(len(known))[:TYPOS])
    wrong = [misspell(known[row], seed) for seed, row in enumerate(chosen)]
    gold = kb.rows_of([str(mention.entity_id) for mention in wrong])
    vectors = opened.embedder.embed_mentions(opened.encoders.encode_mentions(wrong, show_progress=False))
    rescorer, before, after = Rescorer(reranker, kb.get_many), [], []
    for facts, table in opened.propose(wrong, vectors, reranker):
        before.append(table.rows[:, 0])
        after.append(rescorer.reorder(facts, table).rows[:, 0])
    return float(np.mean(np.concatenate(before) == gold)), float(np.mean(np.concatenate(after) == gold))


def show(interval: Interval, sign: str = "") -> str:
    """Return a figure with its interval."""
    return f"{interval.value:{sign}.4f} [{interval.low:{sign}.4f}, {interval.high:{sign}.4f}]"


if __name__ == "__main__":
    typer.run(main)
