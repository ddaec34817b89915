"""Who may do what on the servers, and the administrators' logins that make the users."""
