"""Papers on sparse autoencoders, steering and post-training, re-run and checked claim by claim."""

__version__ = "0.1.0"
