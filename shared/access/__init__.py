"""Rights of the users of the servers, and the administrators' logins with which the users are made."""
