"""Training: one Brain for emotion and sentiment, one fold as one experiment; all folds, seeds and workers around it."""
