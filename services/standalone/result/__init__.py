"""What lies in the folder of a result, and how it is kept up to date without touching files of other owners."""
