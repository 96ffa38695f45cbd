"""Import people from files: read, check without writing, then create and update them as a job."""
