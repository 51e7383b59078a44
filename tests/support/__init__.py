"""What tests share: a kernel in this process, and a server in a process of its own."""
