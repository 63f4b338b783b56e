"""Every setting, with its rule; read from TOML, overridden from the command line, checked in one pass.

Settings are frozen. Parts receive plain values from them, never the settings object. ``read_settings`` collects every fault of a file
and its overrides before it raises, and names the nearest valid key.
"""

from pgmel.settings.game import GeneratorSettings, ModelSettings, NegativeSettings, TrainingSettings
from pgmel.settings.inputs import DataSettings, FeatureSettings
from pgmel.settings.reading import Settings, read_settings, settings_from
from pgmel.settings.results import EvaluationSettings, IndexSettings, LinkingSettings

__all__ = [
    "DataSettings",
    "EvaluationSettings",
    "FeatureSettings",
    "GeneratorSettings",
    "IndexSettings",
    "LinkingSettings",
    "ModelSettings",
    "NegativeSettings",
    "Settings",
    "TrainingSettings",
    "read_settings",
    "settings_from",
]
