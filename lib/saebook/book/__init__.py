"""The pages: what is generated for them, how they are built, and what is checked afterwards.

Nothing here loads a model or runs a notebook. Executed notebooks and results come in, HTML goes
out: `python -m saebook.book build`.
"""
