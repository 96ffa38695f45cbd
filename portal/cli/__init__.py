"""The commands of `flask`: they call other modules' commands and hold no logic."""
