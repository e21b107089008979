"""One module per kind of log; so8t_shared.tables.readers lists them."""
