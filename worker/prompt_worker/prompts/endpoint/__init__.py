"""`prompt-worker serve registry`: the registry's document over HTTP, for more services than a database has room for.

Needs the extra `push`.
"""
