"""What the classic commands do. Imported when a command runs, for these modules pull in what is heavy."""
