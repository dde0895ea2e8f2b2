"""How the two default embedding-model bundles are made. `build.py` one folder up is the entry."""
