"""Audio without a network: what files hold, and whether two of them hold the same. No torch here."""
