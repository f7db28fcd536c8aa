"""The words that rhyme, group by group, and what sort of word each of them is.

The sort decides which lines can lead to the word: `a starving rabbit`, but `a powerful habit`. A word belongs to one
group and one sort.

    C creature    T thing    P place    Q quality    A action    F feeling
"""

SORTS = {"C": "creature", "T": "thing", "P": "place", "Q": "quality", "A": "action", "F": "feeling"}

_TABLE = """
abit   C rabbit      F habit        A inhabit  A grab_it
ight   P night       T light        C knight   Q bright    A fight     F delight
ain    T train       P plain        Q vain     A complain  F pain
all    T ball        P hall         Q tall     A fall
eep    C sheep       T jeep         Q deep     A sleep
ake    C snake       T cake         P lake     Q fake      A bake      F ache
ear    C deer        T spear        P pier     Q clear     A appear    F fear
at     C cat         T hat          Q flat     A chat      C rat
og     C frog        T log          P bog      A jog       C dog
ee     C bee         T key          P sea      Q free      A flee      F glee
ay     C jay         T tray         P bay      Q gray      A play      F dismay
ow     C crow        T bow          Q slow     A grow      F woe
oat    C goat        T coat         P moat     Q afloat    A float
air    C bear        T chair        P square   Q fair      A stare     F despair
ouse   C mouse       T blouse       P house    C spouse
ock    C peacock     T clock        P dock     A knock     F shock
ing    C king        T ring         P spring   A sing      F sting
ail    C whale       T pail         P jail     Q pale      A sail
ile    C crocodile   T tile         P isle     Q vile      A smile
ook    C rook        T book         P brook    A cook
own    C clown       T crown        P town     Q brown     A drown
ed     T thread      P shed         Q red      A tread     F dread
ine    C swine       T vine         P mine     Q fine      A dine
ill    T quill       P hill         Q still    A spill     F thrill
ore    C boar        T door         P shore    Q sore      A explore
ide    C bride       T slide        P hillside Q wide      A hide      F pride
ate    C mate        T plate        P gate     Q late      A skate     F hate
oon    C raccoon     T spoon        P lagoon   A swoon
ub     C cub         T tub          P pub      A scrub
ace    T lace        P place        A chase    F grace
est    C guest       T nest         P west     Q best      A rest      F unrest
ove    C dove        T glove        A shove    F love
ump    T pump        P dump         Q plump    A jump
ar     C czar        T star         P bar      Q far
ant    C ant         T plant        Q scant    A chant
ell    C gazelle     T bell         P well     Q unwell    A yell      F farewell
eam    C team        T beam         P stream   Q supreme   A dream     F esteem
ound   C hound       P playground   Q round    A astound
ag     C stag        T flag         P crag     A brag
ue     C shrew       T shoe         P zoo      Q blue      A chew
ank    T tank        P bank         Q blank    A thank
een    C queen       T machine      P ravine   Q green     A convene
ender  C spender     T blender      Q tender   A surrender F splendor
ower   T flower      P tower        A cower    F power
arrow  C sparrow     T arrow        Q narrow   P barrow
ary    C fairy       P prairie      Q hairy    A vary
ame    C dame        T frame        Q tame     A blame     F shame
ire    C squire      T wire         P spire    Q dire      A admire    F desire
ape    C ape         T cape         P landscape A escape
eel    C eel         T wheel        Q genteel  A kneel     F zeal
oy     C boy         T toy          Q coy      A destroy   F joy
am     C lamb        T jam          P dam      A slam
in     T pin         P inn          Q thin     A grin
um     T drum        P slum         Q glum     A hum
arm    T charm       P farm         A harm     F alarm
unny   C bunny       T honey        Q sunny
"""


def _read() -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for line in _TABLE.split("\n"):
        if line.strip():
            name, *cells = line.split()
            groups[name] = {w.replace("_", " "): SORTS[s] for s, w in zip(cells[::2], cells[1::2], strict=True)}
    return groups


GROUPS = _read()
"""Group -> its words -> their sort. `grab it` is two words and can only end a first line."""

GROUP_OF = {word: group for group, words in GROUPS.items() for word in words}
SORT_OF = {word: sort for words in GROUPS.values() for word, sort in words.items()}
assert len(GROUP_OF) == sum(map(len, GROUPS.values())), "a word belongs to one group"
