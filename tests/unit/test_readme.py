"""The README says what there is."""

import importlib
import pkgutil
import re
from pathlib import Path

import services
import shared
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OF_A_CLASS = {"FACESTREAM_MODELS_DIR", "FACESTREAM_SECRETS_DIR"}  # read before any settings


def variables() -> dict[str, str]:
    """The environment variable of every field of every settings class, with the module of the class."""
    for package in (services, shared):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.startswith("shared.") or module.name.endswith("settings"):
                importlib.import_module(module.name)
    return {
        f"{settings.model_config['env_prefix']}{field}".upper(): settings.__module__
        for settings in Settings.__subclasses__()
        for field in settings.model_fields
    }


def test_every_setting_of_a_run_is_in_the_readme_and_every_variable_there_exists() -> None:
    named = set(re.findall(r"FACESTREAM_[A-Z_]+[A-Z]", README)) - NOT_OF_A_CLASS
    known = variables()
    assert named - known.keys() == set()
    of_a_run = {name for name, module in known.items() if module.startswith("services.")}
    assert of_a_run - named == set()
