"""A microscope for FiLM: what gamma and beta are, what they do, and what a change of them does.

It sees a `FiLMedNetwork` and the sentences that steer it, whatever the network is part of. Each
analysis gives numbers that are plain JSON; `draw_*` makes a picture of them.
"""
