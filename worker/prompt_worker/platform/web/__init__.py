"""What every HTTP service here has: a server, answers, and who may ask. Needs the extra `push`."""
