"""Training: phases, the game's steps, checkpoints, metrics, one process or several."""

from pgmel.training.distributed import World, world
from pgmel.training.game import Game, GameRules, TrainingData
from pgmel.training.interrupts import TrainingInterruptedError
from pgmel.training.log import METRICS, MetricsLog
from pgmel.training.plan import DevScores, TrainingPlan, TrainingResult
from pgmel.training.schedule import Schedule
from pgmel.training.trainer import Trainer

__all__ = [
    "METRICS",
    "DevScores",
    "Game",
    "GameRules",
    "MetricsLog",
    "Schedule",
    "Trainer",
    "TrainingData",
    "TrainingInterruptedError",
    "TrainingPlan",
    "TrainingResult",
    "World",
    "world",
]
