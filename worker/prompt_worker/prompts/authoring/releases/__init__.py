"""What an owner decides about a version: reviews, activation, rollback, labels, the kill switch, policies."""
