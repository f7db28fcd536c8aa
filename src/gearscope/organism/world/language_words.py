"""The words of the three languages: the same concepts in English, French and Spanish, without accents.

A family is four concepts: two that mean nearly the same, and the opposite of each, which mean nearly the same too. It
belongs to one category, and every category has at least two families, so its name is used outside any one family. No
word belongs to two languages or to two concepts. It knows nothing about texts or what is held out.
"""

from itertools import chain

LANGUAGES = ("english", "french", "spanish")

# Per line: category, then a concept, its synonym, its opposite, the opposite of the synonym.
_TABLES = {
    "english": """
size     small tiny big huge
size     tall high short low
size     wide broad narrow tight
size     thick fat thin lean
time     fast quick slow sluggish
time     old ancient new modern
time     early prompt late delayed
heat     hot boiling cold freezing
heat     warm mild cool chilly
mood     happy glad sad gloomy
mood     calm quiet angry mad
mood     brave bold shy timid
touch    wet damp dry arid
touch    hard firm soft tender
touch    smooth even rough bumpy
money    rich wealthy poor needy
money    costly dear cheap free
body     strong sturdy weak feeble
body     healthy fit sick ill
look     bright shiny dark dim
look     pretty lovely ugly hideous
""",
    "french": """
taille    petit minuscule grand immense
taille    haut eleve bas bref
taille    vaste spacieux etroit serre
taille    epais gras mince maigre
temps     rapide vif lent trainant
temps     vieux ancien neuf moderne
temps     tot precoce tard attarde
chaleur   chaud brulant froid glacial
chaleur   tiede doux frais frisquet
humeur    heureux joyeux morose chagrin
humeur    calme paisible fache furieux
humeur    courageux hardi timide craintif
toucher   humide mouille sec aride
toucher   dur ferme mou tendre
toucher   lisse poli rugueux bossu
argent    riche fortune pauvre demuni
argent    couteux cher modique gratuit
corps     fort robuste faible frele
corps     sain valide malade souffrant
allure    clair brillant sombre obscur
allure    joli beau laid hideux
""",
    "spanish": """
tamano    pequeno diminuto grande gigante
tamano    alto elevado bajo corto
tamano    ancho extenso estrecho angosto
tamano    grueso gordo delgado flaco
tiempo    veloz rapido lento pausado
tiempo    viejo antiguo nuevo moderno
tiempo    temprano pronto tarde demorado
calor     caliente ardiente frio helado
calor     tibio templado fresco gelido
animo     feliz alegre triste apenado
animo     tranquilo sereno enojado furioso
animo     valiente audaz timido miedoso
tacto     humedo mojado seco arido
tacto     duro firme blando tierno
tacto     liso suave aspero rugoso
dinero    rico adinerado pobre humilde
dinero    costoso caro barato gratis
cuerpo    fuerte recio debil fragil
cuerpo    sano vigoroso enfermo malo
aspecto   claro brillante oscuro opaco
aspecto   bonito hermoso feo horrible
""",
}
_ROWS = {language: [line.split() for line in table.split("\n") if line] for language, table in _TABLES.items()}

FAMILIES = {row[1]: tuple(row[1:]) for row in _ROWS["english"]}
"""Family (named by its first concept) -> its four concepts; a concept is named by its English word."""
FAMILY_OF = {concept: family for family, concepts in FAMILIES.items() for concept in concepts}
CATEGORY_OF = {family: row[0] for family, row in zip(FAMILIES, _ROWS["english"], strict=True)}
"""Family -> its category, by its English word."""
LEXICON = {language: dict(zip(chain(*_ROWS["english"]), chain(*rows), strict=True)) for language, rows in _ROWS.items()}
"""Language -> concept or category -> its word."""
_SYNONYM = {0: 1, 1: 0, 2: 3, 3: 2}
_OPPOSITE = {0: 2, 2: 0, 1: 3, 3: 1}
OPERATIONS = ("opposite", "synonym", "category")


def apply(operation: str, concept: str) -> str:
    """What an operation makes of a concept: `apply("opposite", "small")` is `big`."""
    family = FAMILY_OF[concept]
    if operation == "category":
        return CATEGORY_OF[family]
    place = FAMILIES[family].index(concept)
    return FAMILIES[family][(_OPPOSITE if operation == "opposite" else _SYNONYM)[place]]
