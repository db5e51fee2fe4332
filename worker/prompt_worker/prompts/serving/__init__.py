"""A service's side: from what a registry says to what a request gets, with no call that does I/O."""
