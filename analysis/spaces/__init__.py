"""The search spaces: their grammar, official order, named cells and enumeration."""
