"""Scripts that ask a running server over HTTP and nothing else."""
