"""Training: phases, the game's steps, checkpoints, metrics, one process or several."""

from pgmel.training.data import GameRules, NeighbourLists, TrainingData
from pgmel.training.distributed import World, world
from pgmel.training.game import Game
from pgmel.training.inputs import Inputs, LiveInputs, LiveSide, TableInputs
from pgmel.training.interrupts import TrainingInterruptedError
from pgmel.training.log import METRICS, MetricsLog
from pgmel.training.metrics_file import MetricsFile, read_metrics
from pgmel.training.plan import DevScores, TrainingPlan, TrainingResult
from pgmel.training.schedule import Schedule
from pgmel.training.trainer import Trainer
from pgmel.training.tuner import EncoderTuner, TunerPlan

__all__ = [
    "METRICS",
    "DevScores",
    "EncoderTuner",
    "Game",
    "GameRules",
    "Inputs",
    "LiveInputs",
    "LiveSide",
    "MetricsFile",
    "MetricsLog",
    "NeighbourLists",
    "Schedule",
    "TableInputs",
    "Trainer",
    "TrainingData",
    "TrainingInterruptedError",
    "TrainingPlan",
    "TrainingResult",
    "TunerPlan",
    "World",
    "read_metrics",
    "world",
]
