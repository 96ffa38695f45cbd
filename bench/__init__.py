"""The portal beside other programs."""
