"""Words with several senses, the places that decide between them, and things that are small or big."""

SENSES: dict[str, dict[str, str]] = {
    "thimble": {"sewing": "tool", "game": "token"},
    "iron": {"sewing": "tool", "game": "token", "work": "metal"},
    "needle": {"sewing": "tool", "nature": "leaf"},
    "hat": {"sewing": "clothing", "game": "token"},
    "cape": {"sewing": "clothing", "nature": "land"},
    "bank": {"nature": "land", "work": "business"},
    "rook": {"nature": "bird", "game": "token"},
    "crane": {"nature": "bird", "work": "machine"},
    "mouse": {"nature": "animal", "work": "machine"},
    "bat": {"nature": "animal", "sport": "stick"},
    "club": {"work": "business", "sport": "stick"},
    "spring": {"nature": "stream", "work": "metal"},
}
"""Word -> place -> what the word means there."""

PLACES: dict[str, tuple[str, ...]] = {
    "nature": (
        "by the river we saw the",
        "deep in the forest was the",
        "on the farm we noticed the",
        "under the elm we found the",
        "far from town he saw the",
    ),
    "game": (
        "on the board we saw the",
        "after the dice she moved the",
        "he won the game with the",
        "between the cards lay the yellow",
        "now you may move the yellow",
    ),
    "sewing": (
        "beside the thread we found the",
        "to mend it she took the",
        "the tailor was buying a new",
        "below the cloth lay the other",
        "in the sewing box was the",
    ),
    "work": (
        "at the factory we saw the",
        "the engineer had to repair the",
        "the workers were looking at the",
        "near the office there was the",
        "he was paid for the new",
    ),
    "sport": (
        "at the match we saw the",
        "the player was looking for the",
        "the team had lost the old",
        "before the match she took the",
        "he scored again with the new",
    ),
}
"""Place -> lines of six words that say where one is, before the word."""

CAN: dict[str, str] = {
    "tool": "mend a coat",
    "token": "move six squares",
    "metal": "bend in the fire",
    "leaf": "fall in winter",
    "clothing": "keep you warm",
    "land": "carry many trees",
    "business": "earn money",
    "bird": "fly away",
    "animal": "hide and sleep",
    "machine": "stop working",
    "stick": "hit a ball",
    "stream": "run dry",
}
"""Meaning -> what such a thing can do; the first word belongs to one meaning."""

SMALL = ("thimble", "needle", "mouse", "ant", "bee", "pin", "key", "ring", "button", "token")
BIG = ("tower", "whale", "bridge", "hill", "house", "tank", "crane", "oak", "machine", "train")
ADJECTIVES = {"small": ("tiny", "small", "little"), "big": ("huge", "big", "giant")}
OTHER_SIZE = {"small": "big", "big": "small"}
SIZE_OF = {**dict.fromkeys(SMALL, "small"), **dict.fromkeys(BIG, "big")}
