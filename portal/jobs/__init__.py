"""Long tasks that a worker carries out on behalf of a person, in batches."""
