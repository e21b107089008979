"""`python -m so8t_shared.cli`: same as the console script so8t-ab."""

from so8t_shared.cli.main import script

script()
