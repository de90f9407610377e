"""Training: SpeechBrain's Brain for emotion, one fold as one experiment, and all folds, seeds and workers around it."""
