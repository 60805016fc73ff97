"""A second version of every schedule, slow and obvious, written from the formulas as documented.

It shares no code with :mod:`lrbench.schedules`: what is rational is a fraction, the rest has 50
digits. Numbers given as floats are taken as the exact values of those floats, except the growth of
cycles and parts of them, which are read as the decimals that were written (0.1 is a tenth).
"""
