"""Where a question says other than a passage: what the reader, taught on questions that were made, sees least surely.

A question of which one word is turned round reads like one that is answered. And a reader that was taught on questions
with a word exchanged doubts every word that the passage lacks, also what is only said in other words. How much each
counts is fitted to questions that people wrote (training/calibrate.py). English words, and numbers in any language.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

_OPPOSITES = [
    ("first", "last"), ("largest", "smallest"), ("most", "least"), ("highest", "lowest"), ("more", "less"),
    ("before", "after"), ("began", "ended"), ("begin", "end"), ("start", "stop"), ("born", "buried"),
    ("won", "lost"), ("win", "lose"), ("oldest", "youngest"), ("early", "late"), ("earliest", "latest"),
    ("north", "south"), ("east", "west"), ("northern", "southern"), ("eastern", "western"), ("male", "female"),
    ("best", "worst"), ("increase", "decrease"), ("increased", "decreased"), ("allowed", "forbidden"),
    ("accepted", "rejected"), ("founded", "dissolved"), ("opened", "closed"), ("open", "close"), ("major", "minor"),
    ("maximum", "minimum"), ("longest", "shortest"), ("long", "short"), ("common", "rare"), ("public", "private"),
    ("positive", "negative"), ("above", "below"), ("support", "oppose"), ("supported", "opposed"),
    ("arrived", "left"), ("built", "destroyed"), ("created", "destroyed"), ("like", "dislike"), ("always", "never"),
    ("old", "new"), ("good", "bad"), ("success", "failure"), ("succeed", "fail"), ("succeeded", "failed"),
    ("successful", "unsuccessful"), ("active", "inactive"), ("able", "unable"), ("known", "unknown"),
    ("usual", "unusual"), ("usually", "rarely"), ("often", "seldom"), ("frequently", "rarely"),
    ("legal", "illegal"), ("possible", "impossible"), ("official", "unofficial"), ("dependent", "independent"),
    ("direct", "indirect"), ("formal", "informal"), ("stable", "unstable"), ("popular", "unpopular"),
    ("necessary", "unnecessary"), ("similar", "different"), ("same", "different"), ("agree", "disagree"),
    ("agreed", "disagreed"), ("appear", "disappear"), ("approve", "reject"), ("approved", "rejected"),
    ("encourage", "discourage"), ("encouraged", "discouraged"), ("help", "hinder"), ("helped", "hindered"),
    ("cause", "prevent"), ("caused", "prevented"), ("causes", "prevents"), ("attack", "defend"),
    ("attacked", "defended"), ("attract", "repel"), ("attracted", "repelled"), ("gain", "lose"), ("gained", "lost"),
    ("rise", "fall"), ("rose", "fell"), ("rise", "fell"), ("rose", "fall"), ("grow", "shrink"), ("grew", "shrank"),
    ("strong", "weak"),
    ("stronger", "weaker"), ("strongest", "weakest"), ("rich", "poor"), ("high", "low"), ("higher", "lower"),
    ("large", "small"), ("larger", "smaller"), ("big", "little"), ("greater", "lesser"), ("greatest", "least"),
    ("fast", "slow"), ("faster", "slower"), ("fastest", "slowest"), ("hot", "cold"), ("warm", "cool"),
    ("hottest", "coldest"), ("wet", "dry"), ("heavy", "light"), ("hard", "soft"), ("deep", "shallow"),
    ("wide", "narrow"), ("thick", "thin"), ("bright", "dark"), ("young", "old"), ("younger", "older"),
    ("earlier", "later"), ("previous", "next"), ("former", "current"), ("past", "future"),
    ("permanent", "temporary"), ("simple", "complex"), ("easy", "difficult"), ("expensive", "cheap"),
    ("famous", "obscure"), ("true", "false"), ("inside", "outside"), ("internal", "external"), ("inner", "outer"),
    ("over", "under"), ("top", "bottom"), ("front", "back"), ("near", "far"), ("enter", "leave"),
    ("entered", "left"), ("join", "leave"), ("joined", "left"), ("add", "remove"), ("added", "removed"),
    ("include", "exclude"), ("included", "excluded"), ("buy", "sell"), ("bought", "sold"), ("borrow", "lend"),
    ("give", "take"), ("gave", "took"), ("given", "taken"), ("teach", "learn"), ("employ", "dismiss"),
    ("hired", "fired"), ("praise", "criticize"), ("praised", "criticized"), ("love", "hate"), ("friend", "enemy"),
    ("ally", "enemy"), ("allies", "enemies"), ("peace", "war"), ("victory", "defeat"), ("winner", "loser"),
    ("profit", "loss"), ("income", "expense"), ("birth", "death"), ("live", "die"), ("lived", "died"),
    ("marry", "divorce"), ("married", "divorced"), ("advantage", "disadvantage"), ("majority", "minority"),
    ("rural", "urban"), ("domestic", "foreign"), ("modern", "ancient"), ("natural", "artificial"),
    ("physical", "mental"), ("literal", "figurative"), ("voluntary", "forced"), ("guilty", "innocent"),
    ("safe", "dangerous"), ("healthy", "sick"), ("clean", "dirty"), ("full", "empty"), ("complete", "incomplete"),
    ("perfect", "imperfect"), ("required", "optional"), ("unite", "divide"), ("united", "divided"),
    ("connect", "separate"), ("connected", "separated"), ("begins", "ends"), ("beginning", "end"),
    ("started", "stopped"), ("arrive", "depart"), ("departed", "arrived"), ("released", "withdrawn"),
    ("published", "withdrawn"), ("introduced", "abolished"), ("established", "abolished"), ("replaced", "kept"),
    ("improve", "worsen"), ("improved", "worsened"), ("overstated", "understated"),
    ("overrepresented", "underrepresented"), ("with", "without"), ("every", "no"), ("all", "none"), ("many", "few"),
    ("absent", "present"), ("absence", "presence"), ("accept", "refuse"), ("accepted", "refused"),
    ("accept", "reject"), ("adult", "child"), ("alive", "dead"), ("allow", "forbid"), ("allow", "prohibit"),
    ("allowed", "prohibited"), ("permitted", "prohibited"), ("ascending", "descending"), ("asset", "liability"),
    ("assets", "liabilities"), ("backward", "forward"), ("bitter", "sweet"), ("brave", "cowardly"),
    ("broad", "narrow"), ("calm", "stormy"), ("capture", "release"), ("captured", "released"),
    ("compulsory", "voluntary"), ("confirmed", "denied"), ("confirm", "deny"), ("admitted", "denied"),
    ("conservative", "liberal"), ("contracted", "expanded"), ("create", "destroy"), ("creation", "destruction"),
    ("credit", "debit"), ("dark", "light"), ("darker", "lighter"), ("decline", "growth"), ("declined", "grew"),
    ("declined", "rose"), ("declining", "growing"), ("decreasing", "increasing"), ("defense", "offense"),
    ("eastward", "westward"), ("ended", "started"), ("end", "start"), ("even", "odd"), ("everyone", "nobody"),
    ("exclusive", "inclusive"), ("explicit", "implicit"), ("fewer", "more"), ("fewest", "most"),
    ("final", "initial"), ("first", "final"), ("flexible", "rigid"), ("frequent", "rare"), ("general", "specific"),
    ("greatest", "smallest"), ("greater", "smaller"), ("hire", "fire"), ("honest", "dishonest"),
    ("horizontal", "vertical"), ("immigration", "emigration"), ("improved", "deteriorated"), ("inhale", "exhale"),
    ("lead", "follow"), ("led", "followed"), ("leader", "follower"), ("less", "greater"), ("loud", "quiet"),
    ("lower", "raise"), ("lowered", "raised"), ("lowest", "greatest"), ("minimal", "maximal"), ("mobile", "fixed"),
    ("narrower", "wider"), ("nearest", "farthest"), ("noisy", "quiet"), ("northward", "southward"),
    ("obey", "disobey"), ("obeyed", "disobeyed"), ("offline", "online"), ("optimistic", "pessimistic"),
    ("plural", "singular"), ("poorer", "richer"), ("poorest", "richest"), ("poverty", "wealth"),
    ("predecessor", "successor"), ("pull", "push"), ("rapid", "slow"), ("rapidly", "slowly"), ("quickly", "slowly"),
    ("remember", "forget"), ("remembered", "forgotten"), ("right", "wrong"), ("rough", "smooth"),
    ("secular", "religious"), ("sharp", "blunt"), ("shorter", "longer"), ("single", "multiple"), ("sink", "float"),
    ("solid", "liquid"), ("sooner", "later"), ("strength", "weakness"), ("strengths", "weaknesses"),
    ("strengthen", "weaken"), ("strengthened", "weakened"), ("subordinate", "superior"), ("superior", "inferior"),
    ("sunny", "cloudy"), ("tall", "short"), ("taller", "shorter"), ("tallest", "shortest"),
    ("temporary", "lasting"), ("thicker", "thinner"), ("together", "apart"), ("tiny", "huge"),
    ("upstream", "downstream"), ("upward", "downward"), ("vanish", "appear"), ("victor", "loser"),
    ("wake", "sleep"), ("wealthy", "poor"), ("wealthiest", "poorest"), ("worse", "better"), ("widest", "narrowest"),
    ("accurate", "inaccurate"), ("adequate", "inadequate"), ("approval", "disapproval"), ("capable", "incapable"),
    ("consistent", "inconsistent"), ("correct", "incorrect"), ("dependence", "independence"),
    ("effective", "ineffective"), ("eligible", "ineligible"), ("equal", "unequal"), ("equality", "inequality"),
    ("formally", "informally"), ("indirectly", "directly"), ("justice", "injustice"), ("mature", "immature"),
    ("mortal", "immortal"), ("proper", "improper"), ("regular", "irregular"), ("relevant", "irrelevant"),
    ("responsible", "irresponsible"), ("secure", "insecure"), ("significant", "insignificant"),
    ("similarity", "difference"), ("sufficient", "insufficient"), ("trust", "distrust"), ("valid", "invalid"),
    ("visible", "invisible"),
]  # fmt: skip
# Words of which one excludes the others.
_SETS = [
    "first second third fourth fifth last", "north south east west", "northern southern eastern western",
    "january february march april may june july august september october november december",
    "monday tuesday wednesday thursday friday saturday sunday", "spring summer autumn winter",
    "one two three four five six seven eight nine ten", "hundred thousand million billion",
    "day week month year decade", "red blue green yellow black white", "husband wife",
    "father mother brother sister son daughter uncle cousin", "king queen prince duke emperor",
    "president minister governor mayor senator",
    "city state country village island",
    "river lake mountain valley", "teacher student", "author publisher", "buyer seller", "doctor lawyer engineer",
    "book film song play poem", "upper lower middle", "left right", "national local", "ancient modern", "rural urban",
    "half quarter", "liquid solid gas", "child adult", "morning evening", "import export",
]  # fmt: skip


_COUNTS = {
    word: str(number)
    for words, numbers in (
        ("two three four five six seven eight nine ten eleven twelve", range(2, 13)),
        ("twenty thirty forty fifty sixty seventy eighty ninety", range(20, 100, 10)),
    )
    for word, number in zip(words.split(), numbers, strict=True)
}
# Endings, and what stands in their place in the word without them.
_ENDINGS = (
    ("ies", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"), ("d", ""), ("ing", ""), ("ing", "e"), ("ly", "")
)  # fmt: skip


def _counted(word: str) -> str:
    """A number's digits, of a small one also where it is a word; any other word as it is."""
    return _COUNTS.get(word, word.replace(",", ""))


def _forms(word: str) -> set[str]:
    """The word, what it may be without its ending, and its digits."""
    ended = [(end, put) for end, put in _ENDINGS if word.endswith(end) and len(word) > len(end) + 2]
    return {word, _counted(word)} | {word.removesuffix(end) + put for end, put in ended}


def _all_forms(words: Iterable[str]) -> set[str]:
    return {form for word in words for form in _forms(word)}


def _each_other(groups: Iterable[Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """For each word the others of all its groups, in the order of the list."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for group in groups:
        words = list(group)
        for word in words:
            found[word] += [other for other in words if other != word and other not in found[word]]
    return {word: tuple(others) for word, others in found.items()}


OPPOSITES: Mapping[str, tuple[str, ...]] = _each_other(_OPPOSITES)
EXCLUDES: Mapping[str, tuple[str, ...]] = _each_other(group.split() for group in _SETS)


def _by_form(*lists: Mapping[str, Iterable[str]]) -> Mapping[str, set[str]]:
    """For each form of a word every form of the others."""
    found = defaultdict[str, set[str]](set)
    for others_of in lists:
        for word, others in others_of.items():
            for form in _forms(word):
                found[form] |= _all_forms(others)
    return found


_OPPOSITE_FORMS = _by_form(OPPOSITES)
_RIVAL_FORMS = _by_form(OPPOSITES, EXCLUDES)

# Words that say little by themselves.
PLAIN = frozenset(
    re.findall(
        r"\S+",
        """a about after all also an and any are as at be been before being between both but by called can could did do
        does during each for from had has have he her his how if in into is it its known made many may more most much
        name named no not of often on one only or other out over part said same she should since some such term than
        that the their them then there these they this those through to type under up use used was were what when where
        which while who whom whose why will with would you""",
    )
)
MOST = 3  # words said otherwise that are counted: where more are, the matter is another
_WORD = re.compile(r"[A-Za-z]+|\d[\d,.]*\d|\d")
_PIECE = re.compile(r"[^\W\d_]+|\d[\d,.]*\d|\d|[^\w\s]")  # a word, or a sign that parts words
_NAME = 3  # words on or back, at most, stands the next word of a name: the Navy Department, Department of the Navy
_MODIFIERS = 2  # words before a word that are said of it: "two major cities"
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_NOT = re.compile(r"\b(?:not|never|no(?!\.\s*\d)|without|cannot|nor|neither|none)\b|n['’ʼ]t\b", re.IGNORECASE)
# What says the same by another word.
_DENIES = re.compile(
    r"\b(?:refus|deny|deni|fail|lack|exclud|prohibit|forbid|suspend|omit|unable|banned|except)\w*", re.IGNORECASE
)
_KIND = re.compile(r"\b(?:what|which|whose|how) ([a-z]+)")  # names what is asked for, and is nothing that is said of it
_PREFIXES = ("un", "non")
_ALIKE = 5  # words that begin with so many same letters are one


@dataclass(frozen=True)
class Contrast:
    """`differs`: the sentence says other than the question takes for granted: it lacks a number of the question's, has
    the opposite of a word of it or one that excludes that, also where it has that word beside another thing, or the
    question denies something and the sentence does not; or the passage has a name's words only apart from each other.

    `reworded`: how many of the question's words, without names and numbers, the passage lacks; at most MOST."""

    differs: bool
    reworded: int


def contrast(question: str, sentence: str, passage: str) -> Contrast:
    """`sentence`: where in the passage the answer was found."""
    asked, kinds = _WORD.findall(question), set(_KIND.findall(question.lower()))
    words, said = ({word.lower() for word in _WORD.findall(text)} for text in (question, sentence))
    numbers = _numbers(words) - _numbers(map(_counted, said))
    denied = bool(_NOT.search(question)) and not (_NOT.search(sentence) or _DENIES.search(sentence))
    known = {_stem(word) for word in _WORD.findall(passage)}
    other = [word for word in asked if word[0].islower() and word not in PLAIN and _stem(word) not in known]
    differs = (
        bool(numbers)
        or denied
        or _turned(words - kinds, said - kinds)
        or _of_another(question, sentence, words, kinds)
        or _apart(question, passage)
    )
    return Contrast(differs, min(MOST, len(other)))


def _numbers(words: Iterable[str]) -> set[str]:
    """As digits of 0 to 9, however their thousands are set apart."""
    numbers = (_counted(word) for word in words if word[0].isdigit())
    return {"".join(sign if sign == "." else str(int(sign)) for sign in number) for number in numbers}


def _turned(asked: set[str], said: set[str]) -> bool:
    """Whether a word that only the question has is the opposite of one that only the sentence has, or excludes it."""
    forms_asked, forms_said = _all_forms(asked), _all_forms(said)
    only_said = {word for word in said if forms_asked.isdisjoint(_forms(word))}
    others = _all_forms(only_said)
    for word in asked - said:
        forms = _forms(word)
        if not forms_said.isdisjoint(forms):
            continue
        prefixed = {other for prefix in _PREFIXES for other in (prefix + word, word.removeprefix(prefix))}
        if not only_said.isdisjoint((*EXCLUDES.get(word, ()), *prefixed)):
            return True
        if any(not others.isdisjoint(_OPPOSITE_FORMS.get(form, ())) for form in forms):
            return True
    return False


def _of_another(question: str, sentence: str, words: set[str], kinds: set[str]) -> bool:
    """Whether the sentence says a word's opposite, or another number, of what the question says it of: three cities,
    and two cities. `words`: the question's; `kinds`: those that name what is asked for."""
    asked, said, named = _modified(question), _modified(sentence), set(map(_counted, words))
    shared = asked.keys() & said.keys()
    for thing in shared:
        others = said[thing] - named
        for word in asked[thing] - kinds:
            if not said[thing].isdisjoint(_forms(word)):
                continue
            if word.isdigit():  # "50 states ratified" counts states
                nearer = shared.intersection(map(_stem, asked[thing]))
                if any(other.isdigit() for other in others) and not any(word in asked[each] for each in nearer):
                    return True
            if any(not others.isdisjoint(_RIVAL_FORMS.get(form, ())) for form in _forms(word)):
                return True
    return False


def _modified(text: str) -> Mapping[str, set[str]]:
    """For each word, by its stem, those before it that may be said of it; counts as digits, without years."""
    found = defaultdict[str, set[str]](set)
    before = deque[str](maxlen=_MODIFIERS)
    for piece in _PIECE.findall(text.lower()):
        if piece.isalpha() and piece not in PLAIN and before:
            found[_stem(piece)].update(before)
        elif not piece.isalnum() or piece in PLAIN:
            before.clear()
        if piece[0].isalnum() and not _YEAR.fullmatch(piece):
            before.append(_counted(piece))
    return found


def _apart(question: str, passage: str) -> bool:
    """Whether the passage has two words that are one name in the question, and nowhere near each other."""
    places = defaultdict[str, set[int]](set)
    for place, piece in enumerate(_PIECE.findall(passage)):
        places[_stem(piece)].add(place)
    for pair in pairwise(_PIECE.findall(question)):
        if not all(word[0].isupper() and word.lower() not in PLAIN for word in pair):
            continue
        first, second = (places.get(_stem(word), set()) for word in pair)
        if first and second and not any(place + on in second for place in first for on in range(-_NAME, _NAME + 1)):
            return True
    return False


def _stem(word: str) -> str:
    return word.lower()[:_ALIKE]
