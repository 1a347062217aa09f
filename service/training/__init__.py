"""Training of cells: recipes, images, networks, the loop, and the process that runs it."""
