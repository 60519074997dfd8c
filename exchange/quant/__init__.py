"""Floats that advise: Greeks for the eye, calibration, simulation.

Nothing computed here is committed. What is to have effect enters the machine as integers in a journaled command, and
the core judges those integers by itself. May use numpy and scipy; imports the core's words and integer functions.
"""
