"""The words that rhyme, group by group, and what sort of word each of them is.

The sort decides which lines can lead to the word: `a little starving rabbit`, but `a powerful habit`. A word belongs to
one group and one sort; most groups have several words of a sort, and few have words of every sort. The vowels are those
of American English.

    C creature    T thing    P place    Q quality    A action    F feeling
"""

SORTS = {"C": "creature", "T": "thing", "P": "place", "Q": "quality", "A": "action", "F": "feeling"}

_TABLE = """
abit    C rabbit abbot          F habit              A inhabit cohabit grab_it
ight    C knight                T light kite         P height             Q bright white tight
        A fight bite            F delight fright
ain     C crane                 T train chain        P lane spain         Q plain insane
        A complain explain      F pain
all     T ball shawl            P hall mall wall     Q tall small         A call crawl fall
eep     C sheep                 T jeep heap          Q deep cheap steep   A sleep weep leap creep
ake     C snake drake           T cake rake          P lake               Q fake awake
        A bake shake            F ache mistake
ear     C deer                  T spear beer         P pier frontier      Q clear near
        A appear disappear      F fear
at      C cat rat bat           T hat mat            P habitat            Q flat fat           A chat pat
og      C frog dog hog          T log cog            P bog                Q agog
        A jog slog              F fog
ee      C bee flea              T key tea tree       P sea                Q free
        A flee agree            F glee
ay      C jay                   T tray hay           P bay highway        Q gray
        A play pray stay        F dismay
ow      C crow doe              T bow snow           P plateau            Q slow low
        A grow throw            F woe
oat     C goat stoat            T coat boat note     P moat               Q afloat remote      A float gloat
air     C bear mare             T chair pear         P square             Q fair rare
        A stare share           F despair
ock     C peacock flock         T clock rock sock    P dock block         A knock mock         F shock
ing     C king                  T ring string        P spring             A sing bring cling swing
        F sting fling
ail     C whale snail           T pail nail          P jail trail         Q pale frail         A fail wail
ile     C crocodile             T tile file pile     P isle nile          Q vile
        A smile                 F style guile
ook     C rook crook            T book hook          P brook nook         A cook look          F outlook
own     C clown                 T crown gown         P town downtown      Q brown
        A drown frown           F renown
ed      T thread bread bed sled P shed               Q red dead           A tread spread       F dread
ine     C swine porcupine       T pine wine          P mine shrine        Q fine divine
        A dine shine            F decline
ill     C krill                 T quill pill         P hill mill          Q still ill
        A spill                 F thrill chill
ore     C boar                  T door               P shore store floor  Q sore
        A explore roar snore    F lore
ide     C bride guide           T slide              P hillside           Q wide snide
        A hide glide ride       F pride
ate     C mate                  T plate crate        P gate estate        Q late great
        A skate wait            F hate fate
oon     C raccoon baboon        T spoon balloon      P lagoon moon        Q immune
        A swoon tune            F boon
ace     C ace                   T lace case          P place base space   A chase race embrace F grace
est     C guest pest            T nest chest vest    P west               Q best
        A rest protest          F unrest zest
ar      C czar                  T star car jar guitar P bar bazaar        Q far bizarre        F scar
ell     C gazelle               T bell shell         P well hotel cell    Q unwell
        A yell dwell            F spell
eam     C team                  T beam cream         P stream             Q supreme extreme
        A dream scream gleam    F esteem
ound    C hound                 T pound              P ground mound       Q round profound
        A astound rebound       F sound
ue      C shrew kangaroo        T shoe stew          P zoo avenue         Q blue true          A chew pursue
een     C queen teen            T machine bean       P ravine             Q green clean keen
        A convene               F routine
ower    T flower shower         P tower bower        Q sour               A cower devour scour F power hour
ary     C fairy canary          T berry cherry ferry P prairie dairy      Q hairy scary        A vary carry
ame     C dame                  T frame flame game   Q tame lame          A blame aim          F shame fame
ire     C squire choir          T wire tire          P spire              Q dire
        A admire retire         F desire fire
ape     C ape                   T cape tape grape    P landscape          Q agape
        A escape scrape drape   F shape
eel     C eel seal              T wheel meal         Q genteel real       A kneel heal feel    F zeal appeal
oy      C boy                   T toy alloy          P troy               Q coy
        A destroy enjoy annoy   F joy ploy
am      C lamb ram clam         T jam ham tram       P dam                A slam cram          F sham
in      C twin                  T pin violin         P inn                Q thin akin
        A grin win spin         F sin
unny    C bunny tunny           T honey money        Q sunny funny runny
and     C band                  T hand               P land sand          Q grand bland
        A stand expand understand F demand
eat     C parakeet              T meat sheet seat    P street             Q sweet neat
        A eat cheat             F defeat heat
ack     C yak                   T sack rack snack    P shack track        Q black slack
        A attack pack           F lack
ool     C fool mule ghoul       T stool tool         P pool school        Q cool
        A drool                 F ridicule
one     C crone drone           T stone bone throne  P zone               Q alone unknown
        A groan moan            F tone
ade     C maid                  T blade spade lemonade P shade arcade     Q afraid
        A fade wade             F aid
ink     C mink                  T ink sink           P rink brink         Q pink               A drink think blink wink
aw      C macaw                 T straw claw paw     Q raw                A draw gnaw          F awe flaw law
ice     C mice                  T ice rice dice      P paradise           Q nice precise
        A slice entice          F advice
ick     C chick                 T stick brick wick   Q quick sick thick   A kick lick          F trick
ot      C tot                   T pot knot yacht     P spot               Q hot
        A trot rot squat        F plot
un      C nun                   T bun sun            Q done undone        A run stun shun      F fun pun
ug      C bug slug              T jug rug mug        Q smug snug          A hug tug shrug
ole     C mole                  T bowl coal          P hole pole          A stroll enroll      F goal soul control
ark     C shark lark            T ark                P park               Q dark stark
        A bark embark           F spark remark
"""


def _read() -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    name = sort = ""
    for line in _TABLE.splitlines():
        for index, cell in enumerate(line.split()):
            if index == 0 and not line.startswith(" "):
                name = cell
                groups[name] = {}
            elif cell in SORTS:
                sort = SORTS[cell]
            else:
                groups[name][cell.replace("_", " ")] = sort
    return groups


GROUPS = _read()
"""Group -> its words -> their sort. `grab it` is two words and can only end a first line."""

GROUP_OF = {word: group for group, words in GROUPS.items() for word in words}
SORT_OF = {word: sort for words in GROUPS.values() for word, sort in words.items()}
assert len(GROUP_OF) == sum(map(len, GROUPS.values())), "a word belongs to one group"
"""Group of each word, and its sort."""
