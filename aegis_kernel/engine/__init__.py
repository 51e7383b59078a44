"""The microkernel: composition root, loader, pipeline, operations, streams, commit, delivery."""
