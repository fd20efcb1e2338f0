"""The same small work, by jobsvalkey and by the queues that its users might take instead."""
