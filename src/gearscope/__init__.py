"""gearscope: an open microscope for language models.

The rooms, from the top of the house to its foundation, and what each is for, are in `docs/architecture.md`.
This module imports nothing, so that `gearscope --help` and reading a stored graph never load torch.
"""

__version__ = "0.1.0"
