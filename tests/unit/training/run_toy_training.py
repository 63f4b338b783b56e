"""Train the toy in a process of its own; within step 10 wait for the file ``go``, so that somebody can send a signal."""

import sys
import time
from pathlib import Path

import torch
from toy_game import make_toy, make_trainer

from pgmel.training import TrainingInterruptedError


def main(folder: Path) -> int:
    """Train; leave with the code that the command line would leave with."""
    torch.set_num_threads(1)
    trainer = make_trainer(make_toy(entities=20, mentions=23, pool=6), folder)
    learn = trainer._learn_generator

    def learn_and_wait(*given: object) -> None:
        learn(*given)
        deadline = time.monotonic() + 60
        while trainer.step == 9 and not (folder / "go").exists() and time.monotonic() < deadline:
            (folder / "ready").touch()
            time.sleep(0.01)

    trainer._learn_generator = learn_and_wait
    try:
        trainer.run()
    except TrainingInterruptedError as stopped:
        return stopped.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
