"""How an event leaves a service: publisher → body → outbox → sender → delivery → connection.

While Pub/Sub is unavailable, `spool` keeps events on disk.
"""
