"""All settings classes of the product."""

from importlib import import_module

from shared.settings import SECTIONS, Settings, settings_classes


def product_settings() -> list[type[Settings]]:
    """Import every module that declares settings, and return their classes."""
    for module in SECTIONS.values():
        import_module(module)
    return [settings for settings in settings_classes() if settings.__module__ in SECTIONS.values()]
