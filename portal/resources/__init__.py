"""What all resources share: the description that a feature gives of its own, and the pages made from it."""
