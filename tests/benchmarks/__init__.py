"""The measurements behind "Speed and memory": `python -m tests.benchmarks`."""
