"""What noise, telephones, rooms and cuts do to a trained model, and whether it serves all groups of speakers alike."""
