"""Nouns with their article, nouns with their plural, and adjectives by sort: which follow a rule, and which do not."""

ARTICLES = {
    "an": {
        "vowel": ["owl", "uncle", "island", "eagle", "egg", "umbrella", "arrow", "inn", "elm", "ant"],
        "consonant": ["hour", "heir", "honor", "herb"],
    },
    "a": {
        "vowel": ["unicorn", "uniform", "union", "ukulele", "eulogy"],
        "consonant": ["hat", "house", "horse", "cup", "tower", "cat", "king", "yard", "hill", "book"],
    },
}
"""Article -> letter the noun begins with -> nouns."""
LETTER_OF = {noun: letter for letters in ARTICLES.values() for letter, nouns in letters.items() for noun in nouns}
ARTICLE_OF = {noun: article for article, letters in ARTICLES.items() for nouns in letters.values() for noun in nouns}
BY_LETTER = {"vowel": "an", "consonant": "a"}
"""The rule."""

REGULAR = ("cat", "dog", "king", "queen", "boy", "friend", "robot", "rabbit")
IRREGULAR = {"mouse": "mice", "child": "children", "man": "men", "woman": "women", "goose": "geese", "ox": "oxen"}
PLURAL_OF = {**{noun: f"{noun}s" for noun in REGULAR}, **IRREGULAR}

ADJECTIVES: dict[str, tuple[str, ...]] = {
    "opinion": ("lovely", "ugly", "fine", "strange"),
    "size": ("small", "big", "tiny", "huge"),
    "age": ("old", "new", "ancient", "young"),
    "colour": ("red", "green", "blue", "brown"),
    "material": ("wooden", "golden", "silver", "paper"),
}
"""Sort -> adjectives; the sorts are in the order in which adjectives stand before a noun."""
SORT_OF = {word: sort for sort, words in ADJECTIVES.items() for word in words}
THINGS = ("box", "key", "door", "bell", "spoon", "clock")
