"""What the LLM judge is asked, in this project's own words."""

from __future__ import annotations

_SCALE = (
    "Give one grade: 0 for {none}, 1 for {some}, 2 for {full}. First write one short sentence of "
    "reason, then a last line of the form `Grade: 0`, `Grade: 1` or `Grade: 2`.\n"
)
PROMPTS = {
    "concept": (
        "A text and a topic follow. How much of the topic is in the text? Whether the text is "
        "true, well written or to the point does not matter.\n"
        + _SCALE.format(none="absent", some="touched upon", full="clearly there")
        + "Topic: {about}\nText: {text}\n"
    ),
    "instruction": (
        "A request and a reply follow. Does the reply deal with what the request asks about? "
        "Whatever else it says, and how well, does not matter.\n"
        + _SCALE.format(none="not at all", some="in part", full="fully")
        + "Request: {about}\nReply: {text}\n"
    ),
    "fluency": (
        "A text follows. Does it read like something a person could have written, without "
        "broken sentences and senseless repetition? Its content does not matter.\n"
        + _SCALE.format(none="broken", some="readable with faults", full="fluent")
        + "Text: {text}\n"
    ),
}
"""By quality; `{text}` is what is graded, `{about}` the concept or the instruction."""


def rendered(quality: str, text: str, about: str) -> str:
    """Fill a prompt; braces in the text stay as they are."""
    return PROMPTS[quality].format(about=about, text=text)
