"""Studies: the experiments behind a claim, as trainings and measurements that the queue runs."""
