"""Push: Pub/Sub's requests come in, join a consumer's batches, and are answered when their event is settled."""
