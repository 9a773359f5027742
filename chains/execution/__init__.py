"""How model calls are run: context budget, limits, metering, estimates, resuming."""
