"""CLEVR visual reasoning on the FiLM core: the room is kept, the work is still to come."""
