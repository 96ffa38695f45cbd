"""People: the feature to copy for a new resource."""
