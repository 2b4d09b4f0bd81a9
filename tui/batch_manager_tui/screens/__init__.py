"""Screens: what fills the terminal, and the questions that stand over it."""
