"""The portal beside other programs and beside a floor, on the same rows, in one run."""
