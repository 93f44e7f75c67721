"""Agents that follow instructions."""
