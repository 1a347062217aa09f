"""Training jobs: the queue, the executors that start workers, and what comes back from them."""
