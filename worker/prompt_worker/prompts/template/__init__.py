"""The template engine: Jinja2 with what a prompt needs and nothing else, everything bounded."""
