"""What runs: the HTTP service and the command line."""
