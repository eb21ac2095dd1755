"""How a fix replaces a function of the emulator."""


def wrap(module, name, make):
    """Replaces module.name by make(module.name); a name that is gone is an AttributeError at the start."""
    setattr(module, name, make(getattr(module, name)))
