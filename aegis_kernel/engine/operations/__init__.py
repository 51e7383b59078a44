"""What can be asked: one declaration per operation, with its request and its answer."""
