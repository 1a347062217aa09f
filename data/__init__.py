"""What is known of cells, and how it is stored and asked for."""
