"""Models that are scripts: they say which word stands in brackets, and judge texts by the words that a label quotes."""

import re
from collections import Counter


def by_rule(question):
    """Answers everything perfectly where a feature fires on a word: a label `the word X` names it."""
    return globals()[f"_{question.form}"](question)


def constant(question):
    """Explains as `by_rule`, and judges everything alike."""
    if question.form == "Verdicts":
        return {"verdicts": [{"id": row["id"], "holds": True} for row in question.block("texts")]}
    return {"Levels": {"firing": []}, "Intruder": {"intruder": 0}}.get(question.form) or by_rule(question)


def _LabelAnswer(question):
    if "<fires>" not in question.user:
        return {"label": f"says {question.block('promotes')[0].strip()}"}
    marked = Counter(word for row in question.block("fires") for word in re.findall(r"\[\[(.*?)\]\]", row["text"]))
    return {"label": f"the word {marked.most_common(1)[0][0]}"}


def _word(question):
    (label,) = question.block("description")
    return label.split()[-1]


def _Verdicts(question):
    return {"verdicts": [{"id": row["id"], "holds": _holds(_word(question), row)} for row in question.block("texts")]}


def _holds(word, row):
    marked = re.findall(r"\[\[(.*?)\]\]", row["text"])
    if marked:
        rest = re.sub(r"\[\[.*?\]\]", "", row["text"]).split()
        return set(marked) == {word} and word not in rest
    return word in row["text"].split()


def _Levels(question):
    at = [row["token"] for row in question.block("tokens") if row["text"].strip() == _word(question)]
    return {"firing": [{"token": token, "level": 10} for token in at]}


def _Intruder(question):
    without = [row["id"] for row in question.block("texts") if _word(question) not in row["text"].split()]
    return {"intruder": without[0] if without else 0}


def _TestingAnswer(question):
    """Says `dog` first, tests it on both words, and then takes the one that fired."""
    if question.turns == 1:
        return {"label": "the word dog", "done": False, "should_fire": ["the dog"], "should_not": ["the cat"]}
    fired = [row for row in question.block("results") if row.get("level")]
    word = re.findall(r"\[\[(.*?)\]\]", fired[0]["text"])[0]
    return {"label": f"the word {word}", "done": True, "should_fire": [], "should_not": []}
