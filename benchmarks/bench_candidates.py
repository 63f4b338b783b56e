"""Recall of candidates by vectors, by name and by both, and what finding them costs, as Markdown tables.

Run: ``OMP_NUM_THREADS=1 python benchmarks/bench_candidates.py runs/wikimel/bundle=DATA/wikimel ... --typos 300 --names 20000,100000``

Recall at k is the share of dev mentions, of those whose gold entity is in the KB, that have it among exactly k candidates. Time is
processor time per mention (wall time, where a core is free) for k = 100, in batches of 64 and one by one, without encoding. ``--typos``
measures again with two neighbouring letters of each surface exchanged; ``--names`` times search by name over that many names, made of the
words of the KBs' names.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pgmel.candidates import CANDIDATE_SOURCES, NameIndex, name_words
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import INDEX, KB_FILE, MODEL, CandidateSearch, load_encoders, load_names, name_kb, read_card
from pgmel.models import Embedder
from pgmel.records import Mention
from pgmel.workflows.material import open_dataset

DEPTHS = (1, 10, 30, 100)
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="+", metavar="BUNDLE=DATA")
    parser.add_argument("--typos", type=int, default=0, help="mentions of each data set that are misspelt and measured again")
    parser.add_argument("--names", default="", help="numbers of names to time search by name over, separated by commas")
    args = parser.parse_args()
    words: list[str] = []
    print(f"| data | candidates | {' | '.join(f'@{k}' for k in DEPTHS)} | ms in batches | ms one by one |")
    print("|---|---|" + "---|" * (len(DEPTHS) + 2))
    for pair in args.pairs:
        bundle, _, data = pair.partition("=")
        words += measure(Path(bundle), Path(data), args.typos)
    if args.names:
        print("\n| names | ms in batches | ms one by one | built in s | MB on disk |\n|---|---|---|---|---|")
    for count in filter(None, args.names.split(",")):
        time_names(words, int(count))


def measure(bundle: Path, data: Path, typos: int) -> list[str]:
    """Print the rows of one data set; return the words of its KB's names."""
    card = read_card(bundle)
    encoders, embedder = load_encoders(card, bundle, use_cache=True), Embedder.load(bundle / MODEL)
    mentions = [mention for mention in open_dataset(data, "auto", "skip").splits["dev"] if isinstance(mention.entity_id, str)]
    index = EntityIndex.load(bundle / INDEX)
    with KnowledgeBase.open(bundle / KB_FILE) as kb:
        names = load_names(card, bundle) or NameIndex.build(name_kb(kb))
        mentions = [mention for mention in mentions if mention.entity_id in kb]
        gold = kb.rows_of([str(mention.entity_id) for mention in mentions])
        words = [word for entity in kb.iter_entities() for word in name_words(entity.name)]
    vectors = embedder.embed_mentions(encoders.encode_mentions(mentions, show_progress=False))
    report(data.name, index, names, vectors, [mention.surface for mention in mentions], gold)
    if typos:
        chosen = np.sort(np.random.default_rng(0).permutation(len(mentions))[:typos])
        slipped = [misspell(mentions[row], seed) for seed, row in enumerate(chosen)]
        vectors = embedder.embed_mentions(encoders.encode_mentions(slipped, show_progress=False))
        report(f"{data.name}, misspelt", index, names, vectors, [mention.surface for mention in slipped], gold[chosen])
    return words


def misspell(mention: Mention, seed: int) -> Mention:
    """Exchange two neighbouring letters of a mention's surface, in its sentence too."""
    surface = mention.surface
    places = [place for place in range(len(surface) - 1) if surface[place] != surface[place + 1]]
    if not places:
        return mention
    place = places[np.random.default_rng(seed).integers(len(places))]
    wrong = surface[:place] + surface[place + 1] + surface[place] + surface[place + 2 :]
    return replace(mention, surface=wrong, context=mention.context.replace(surface, wrong), start=None, end=None)


def report(title: str, index: EntityIndex, names: NameIndex, vectors: Any, surfaces: Sequence[str], gold: Any) -> None:
    for source in CANDIDATE_SOURCES:
        search = CandidateSearch(index, names, source)
        recalls = [np.mean((propose(search, vectors, surfaces, k, BATCH) == gold[:, None]).any(axis=1)) for k in DEPTHS]
        times = [timed(search, vectors[:count], surfaces[:count], size) for count, size in ((10 * BATCH, BATCH), (BATCH, 1))]
        print(f"| {title} | {source} | {' | '.join(f'{recall:.4f}' for recall in recalls)} | {times[0]:.2f} | {times[1]:.2f} |", flush=True)


def propose(search: CandidateSearch, vectors: Any, surfaces: Sequence[str], k: int, size: int) -> Any:
    parts = [slice(start, start + size) for start in range(0, len(vectors), size)]
    return np.concatenate([search.propose(vectors[part], surfaces[part], k).rows for part in parts])


def timed(search: CandidateSearch, vectors: Any, surfaces: Sequence[str], size: int) -> float:
    """Return milliseconds per mention: the best of three, since other work on the machine only ever adds to them."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        propose(search, vectors, surfaces, DEPTHS[-1], size)
        seconds.append(time.process_time() - start)
    return 1000 * min(seconds) / len(vectors)


def time_names(words: Sequence[str], count: int) -> None:
    import tempfile

    rng = np.random.default_rng(0)
    made = [" ".join(words[place] for place in rng.integers(len(words), size=rng.integers(1, 4))) for _ in range(count)]
    asked = [misspell(Mention("", made[row]), row).surface for row in rng.integers(count, size=10 * BATCH)]
    start = time.process_time()
    names = NameIndex.build((row, name, ()) for row, name in enumerate(made))
    built = time.process_time() - start
    seconds = []
    for size in (BATCH, 1):
        texts = asked if size > 1 else asked[:BATCH]
        start = time.process_time()
        for part in range(0, len(texts), size):
            names.search(texts[part : part + size], DEPTHS[-1])
        seconds.append((time.process_time() - start) / len(texts))
    with tempfile.TemporaryDirectory() as folder:
        names.save(Path(folder) / "names")
        size_mb = sum(file.stat().st_size for file in Path(folder, "names").iterdir()) / 1e6
    print(f"| {count:,} | {1000 * seconds[0]:.2f} | {1000 * seconds[1]:.2f} | {built:.1f} | {size_mb:.1f} |", flush=True)


if __name__ == "__main__":
    main()
