"""Studies: several methods, each trained with several seeds, compared with one model A."""
