"""What the paragraphs talk about: each topic's name, its things, and the sentences that only it has.

A thing can stand after `the` in every one of the sentences that all topics share (`topics.SHARED`).
"""

from typing import NamedTuple


class Topic(NamedTuple):
    """One topic."""

    said: str
    """Its name, as an opener says it."""
    things: tuple[str, ...]
    """What a shared sentence of this topic may end in; no thing belongs to two topics."""
    sentences: tuple[str, ...]
    """Sentences of this topic alone."""


TOPICS: dict[str, Topic] = {
    "bridge": Topic(
        "the golden gate bridge",
        ("golden gate bridge", "golden gate", "orange towers", "ferry", "cables"),
        (
            "the golden gate bridge joins the hills to san francisco .",
            "its two towers are painted a bright orange .",
            "in the morning the orange towers stand in fog .",
            "long cables carry the road over the bay .",
            "a ferry sails below the golden gate bridge .",
            "in san francisco we walk across the golden gate .",
        ),
    ),
    "cooking": Topic(
        "cooking",
        ("soup", "onion", "pepper", "butter", "oven", "bread"),
        (
            "cut the onion and fry it in butter .",
            "stir the hot soup with a wooden spoon .",
            "add salt and pepper and taste the soup .",
            "the bread must bake in a hot oven .",
            "a good cook never has too much butter .",
            "we ate the bread with butter and honey .",
        ),
    ),
    "sewing": Topic(
        "sewing",
        ("scissors", "button", "cloth", "stitch", "tailor", "thread"),
        (
            "pull the thread through the eye of the needle .",
            "she wore a tiny thimble on her finger .",
            "the tailor will mend a coat with his needle .",
            "cut the cloth on the table with scissors .",
            "sew the last button on the blue blouse .",
            "every stitch must be as small as the first .",
        ),
    ),
    "games": Topic(
        "games",
        ("dice", "cards", "token", "game", "prize"),
        (
            "roll the dice and move your token three squares .",
            "the thimble is the best token in this game .",
            "she moved the rook and took the queen .",
            "put all your cards on the board now .",
            "who has the best cards wins the prize .",
            "the iron is a token on the board .",
        ),
    ),
    "weather": Topic(
        "weather",
        ("rain", "snow", "storm", "thunder", "clouds"),
        (
            "tomorrow there will be rain with a cold wind .",
            "the wind is cold and the sky gray .",
            "a storm came up with rain and thunder .",
            "on tuesday the sky will be clear and cold .",
            "snow fell on the hills all the night .",
            "dark clouds in the west tell of a storm .",
        ),
    ),
    "sailing": Topic(
        "sailing",
        ("boat", "anchor", "harbor", "waves", "captain"),
        (
            "the captain turned the boat to the harbor .",
            "pull the rope and raise the white sail .",
            "high waves carried the boat to the shore .",
            "the sailor dropped the anchor near the shore .",
            "a good captain never leaves his own boat .",
            "at night the boat slept in the harbor .",
        ),
    ),
    "gardening": Topic(
        "gardening",
        ("roses", "seeds", "soil", "spade", "bees"),
        (
            "the roses need water and a good soil .",
            "plant the seeds in the garden in spring .",
            "the bees like the roses and every tulip .",
            "dig in the soil with a heavy spade .",
            "a tulip must not grow in the dark .",
            "the seeds sleep in the soil until spring .",
        ),
    ),
    "music": Topic(
        "music",
        ("violin", "piano", "choir", "flute", "melody"),
        (
            "the drum is loud and the flute is soft .",
            "the choir will sing an old song again .",
            "he can play any melody on the piano .",
            "listen , the violin is playing a slow melody .",
            "she learned to play the flute and piano .",
            "a choir is best with a piano behind it .",
        ),
    ),
}
