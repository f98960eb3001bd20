"""The chapter that shows the testbed: frames of the world, cards of the models, SAE gates."""
