"""The command line: one subcommand per module, each no more than options, a call and what to print."""
