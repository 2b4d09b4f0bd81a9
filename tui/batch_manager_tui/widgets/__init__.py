"""Widgets: each shows one thing. They draw lines; none of them keeps rows, money or rules."""
