"""The numbers of an experiment: pure functions of the standard library, one idea a file.

Where there are too few units for a number, or no spread to judge by, a function returns None: never NaN.
"""
