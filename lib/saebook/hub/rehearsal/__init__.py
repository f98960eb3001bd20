"""A hub on this machine, with stand-ins for everything published, to rehearse the loading with."""
