"""What training left behind, and what is made of several runs: records, the lockbox, ensembles, fusion."""
