"""Take over the former backend's database."""
