"""Values as they appear on a page."""
