"""Several processes behind one port: a supervisor that starts them, and what each of them is told."""
