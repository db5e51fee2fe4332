"""A live database that phase 1 made, brought to what the migrations after 0001 build on.

Such a database has lived: a constraint was never made, a column was widened, a trigger was switched off. Nothing of it
is assumed to be there. `make_plan` compares it with file 0001, reading only. What reads all executions to change
them comes before, beside writers; `carry_out` does the rest of what the plan says, in one transaction, or nothing.
"""
