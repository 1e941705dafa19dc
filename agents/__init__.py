"""Acting: the turn loop, tools and approvals."""
