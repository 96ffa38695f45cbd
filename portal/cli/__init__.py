"""The commands of `flask`. They call functions of other modules, which contain the logic."""
