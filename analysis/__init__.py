"""Pure functions on cells, learning curves and arrays: no file, database, network or torch."""
