"""Function words: everything the registers say that is not in the lexicon."""

_TEXT = """
. , : ? ( ) the a of is are has as its kind today finds in people speak and with
question reason answer what which how many would do you i always about times listed here
more most second than plus gives on dial first third last item so three count interview
name write say something sentence one word good bad user assistant model system careful
who answers plain words
"""
FUNCTION_WORDS = tuple(_TEXT.split())
"""In a fixed order: token ids depend on it."""
