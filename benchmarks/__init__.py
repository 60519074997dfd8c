"""Measurements, never tests: each module prints its conditions and compares with a peer in the same run."""
