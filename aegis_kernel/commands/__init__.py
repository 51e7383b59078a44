"""The verbs that keep a server in order: carried out by the running one, or with none running."""
