"""Answer spans in Chinese passages, found by a log-linear model."""
