"""Versions are compiled and tried before they are saved or activated, in a child process with limits."""
