"""The command line: one file a command, and no logic but how to ask and how to show."""
