"""What a service asks for a prompt: templates, the snapshot of all of them, and the service that hands them out.

Needs the extra `prompts`. Nothing here loads the template engine until a service is made.
"""
