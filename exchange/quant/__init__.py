"""Floats that advise: Greeks for the eye, calibration, simulation. And floats that prove themselves: ``pricer``.

No float is committed. What is to have effect enters the machine as integers in a journaled command, and the core judges
those integers by itself; or, from ``pricer``, as integers that an error bound shows to be the core's own. May use numpy
and scipy; imports the core's words and integer functions.
"""
