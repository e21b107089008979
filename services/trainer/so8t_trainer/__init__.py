"""Retraining with SO8T gates: model B from its base and a data set."""

import logging

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it advises to install a kernel that training never uses
