"""Who may open the console, see a page and read a text."""
