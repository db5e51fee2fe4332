"""How a version is made, checked, approved and released: an owner's side, over the database."""
