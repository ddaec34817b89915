"""MongoDB: the repositories of photographs and generations, users, settings."""
