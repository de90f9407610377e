"""From a finished training to a model that others load: export, its card, and loading that runs nothing it reads."""
