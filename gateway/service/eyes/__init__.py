"""What an operator can see of a running gateway: counters of all processes, metrics, readiness."""
