"""Where trainings run: one after another, on local workers, or on a Ray cluster."""
