"""How an event leaves a service: body, message, outbox, sender, Pub/Sub; and the spool while that is away."""
