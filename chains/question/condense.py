"""A follow-up becomes a question that stands alone: when it needs the conversation and the rewrite is one."""

import re
from collections.abc import Sequence

from chains.errors import ModelError
from chains.execution import context_budget, llm_calls
from chains.language import detect
from chains.language.lexicon import ASKING
from chains.model import Model
from chains.prompt import Prompt, Turn
from chains.question import rewrite_check
from ingest.text.search_tokens import language, tokens

TURNS = 3  # that far back a question may point
ANSWER_CHARS = 600  # of each earlier answer; what is asked about stands at its beginning
REPLY_TOKENS = 120

# A question that is nothing but a wish for more, or a question word.
_BARE = re.compile(
    r"(?:(?:can|could|would) you )?(?:please )?(?:explain|elaborate|continue|go on|more|tell me more|say more|why"
    r"|why not|how|how so|how come|really|"
    r"who|when|where|which|which one|since when|more details?|(?:give me )?(?:an )?examples?|for example|such as|"
    r"(?:go )?(?:in|into) (?:more )?details?)(?: (?:that|this|it))?(?: please)?"
    r"|(?:请|那|能)?(?:为什么|为何|怎么会|谁|哪[个里些年]|何时|什么时候|多少|然后|继续|接着|具体|详细|展开|再|举个?例子?|更多)"
    r"[说讲一下些点来吗呢吧细次个子展开详具体多给我你]*",
    re.IGNORECASE,
)
# How a question begins, or ends, that leans on the one before whatever else it says.
_CONTINUES = re.compile(
    r"^(?:what|how) about\b|^(?:and |but |so )?(?:what|who|where|when|why|how|which|anything|anyone) else\b"
    r"|^(?:and |in )?(?:the )?(?:(?:year|quarter|month|week|day)s? (?:before|after|earlier|later)"
    r"|(?:previous|next|following|prior|same) (?:year|quarter|month|week|day))\W*$"
    r"|^还有(?:呢|吗|别的|其他|哪)|^(?:除此|此外|其中|同比|环比)"
    r"|^(?:为什么|为何|怎么)(?:会|又|要|突然|大幅)?\w{2}[了的]?[？?]?$",
    re.IGNORECASE,
)
# "And …": the rest is looked at; where it is no question of its own it leans.
_JOINS = re.compile(
    r"^(?:and|but|so|or|also|then|well|ok(?:ay)?)\b[\s,]*|^(?:那么?|所以|而且|另外)[，, ]*", re.IGNORECASE
)
_OPENS = re.compile(
    r"^(?:(?:in|at|by|for|to|from|with|on|of) )?(?:what|which|who|whom|whose|when|where|why|how)\b|^(?:is|are|was"
    r"|were|do|"
    r"does|did|has|have|had|can|could|will|would|should|tell|list|name|give|show|describe|explain|summari[sz]e|compare)\b",
    re.IGNORECASE,
)
_ZH_ASKS = re.compile(r"什么|哪|谁|多少|几|吗|怎|如何|为何|是否|何时|多[大长高久远深快]|[有是能会可]没?不?[有是能会可]")
# Words that point to something said before, whatever stands around them.
_POINTS = re.compile(
    r"\bthe (?:latter|above)\b|\bthe former\b(?=\W*$|\s+(?:one|is|was|does|did|do|has|had|or|and)\b)"
    r"|\bmentioned above\b|\bthe two(?: of them)?\W*$|\bthe (?:year|quarter|month) (?:before|after|earlier|later)\W*$"
    r"|\bthe (?:first|second|third|fourth|other|last|next|previous) (?:one|ones|two|three|question|answer|point)s?\b"
    r"|\b(?:same (?:question|thing|for|goes|applies)|previous (?:question|answer|one))\b"
    r"|那里|那儿|那时|[上前]一年|上述|前者|后者|刚才|(?:上面|前面|之前)(?:提到|说|讲|的)|另一个|第[一二三四五]个(?:呢|是|[？?]|$)",
    re.IGNORECASE,
)
_DOCUMENT = (
    r"(?:documents?|reports?|books?|papers?|files?|pdfs?|contracts?|manuals?|texts?|articles?|novels?|filings?|stor(?:y|ies))"
)
_THIS = re.compile(
    rf"\b(?:this|these|those)\b(?!\s+(?:\w+\s+)?{_DOCUMENT}\b)(?!\s+(?:year|month|week|day|time|century)s?\b)"
    r"|\b(?:of|about|in|on|is|was|does|did|do|why|than|like|to|after|before|with) that\b(?! of\b| \w+ed\b)",
    re.IGNORECASE,
)
# "Is it true that …", "How long does it take to …": it stands for nothing.
_EMPTY_IT = re.compile(
    r"\b(?:is|was|isn't|wasn't|would|will) it (?:be )?(?:true|possible|likely|necessary|important|clear|known|said"
    r"|allowed|"
    r"safe|legal|common|better|normal|required|correct|right)\b"
    r"|\bha[sd] it been\b|\bis it about\b|\bit (?:takes?|took|costs?|means?|matters?)\b(?=[^?]* (?:to|that|whether)\b)"
    r"|\bit(?:'s| is| was)? (?:that|said that|true that)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:(?P<own>its|their|his|itself|themselves|himself|herself|her(?=\s+(?!(?:about|in|at|on|to|for|from|with|by|of|and|or|"
    r"as|if|when|that|after|before|during)\b)\w))|it|he|him|she|her|hers|they|them|theirs)\b",
    re.IGNORECASE,
)
_NOUN = re.compile(
    r"\b(?:an?|the|any|each|every|both|all|some|no)\s+[a-z]\w+|\b(?!is\b|was\b|does\b|has\b)[a-z]{3,}s\b"
)
_CLAUSE = re.compile(
    r"[,;:]|\b(?:and|when|before|after|if|because|while|until|once|since|although|though|where|who|which|that)\b", re.I
)
_SAYING = re.compile(r"\b(?:say|said|think|thought|believe|claim|know|knew|hope)s?(?: that)?\s*$", re.I)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b(?:[A-Z]|\d+[A-Z])[\w'’&-]*")
_FIRST_NAME = re.compile(r"^(?:[A-Z]|\d+[A-Z])[\w&-]*")
# Chinese pronouns that are no part of a longer word, and not what they point to when the question itself has said it.
_ZH_PRONOUN = re.compile(
    r"(?<![其吉])[它他她](?!人|国|乡|处)们?|(?<![及和与尤极])其(?![他它中余实间次])|(?<![应本活])该(?![如怎何不去来做从])"
    r"|(?<![因彼如由从在至])此(?![外前后次处])"
)
_ZH_THIS = re.compile(
    r"(?<![》」”\"])(?!(?<=\w\w)[这那][个一]?(?:词|名|术语|概念|说法))[这那](?!么)(?![本份篇部个些几]?(?:两|三)?[本份篇部个]?(?:书|报告|文档|文件|文章|论文|小说|合同|手册|材料|资料|年报))"
)
_ZH_TIME = re.compile(r"[在于从到至请问那么\d零一二三四五六七八九十〇去今明前本上下半年月日季度第初末底期间\s]*")


def condense(question: str, history: Sequence[Turn], model: Model) -> str:
    """The question as it stands alone; else as it was asked. One call at most."""
    prompt = _prompt(question, history, model) if needs_history(question, history) else None
    if prompt is None:
        return question
    try:
        return checked(llm_calls.read(model, prompt).text, question, history)
    except ModelError:
        return question


def needs_history(question: str, history: Sequence[Turn]) -> bool:
    """Whether it points back, or says too little by itself to be searched for.

    A question that names its own subject before a word that could point to it stands alone: "What did Netflix say
    about its revenue?", "公司如何看待其竞争对手？". To ask for a rewrite that is not needed costs a call, to use it may
    cost the question's meaning.
    """
    text = question.strip().strip("\"“”'")
    if not history or not text:
        return False
    if _BARE.fullmatch(text.strip(" ?？。.!！…")) or _CONTINUES.search(text) or _POINTS.search(text):
        return True
    return _leans_in_chinese(text) if language(text) == "zh" else _leans_in_english(text)


def _leans_in_english(text: str) -> bool:
    joined = _JOINS.match(text)
    rest = text[joined.end() :] if joined else text
    if joined and not _OPENS.match(rest):
        return True  # "And in 2019?"
    if not [word for word in tokens(rest) if word not in ASKING]:
        return True
    if not _OPENS.match(rest) and len(rest.split()) < 3:
        return True  # "Lake Gamma?"
    if _THIS.search(rest):
        return True
    plain = _EMPTY_IT.sub(" ", rest)
    return any(not _said_before(plain[: m.start()], m[0].lower(), bool(m["own"])) for m in _PRONOUN.finditer(plain))


def _said_before(before: str, pronoun: str, own: bool) -> bool:
    """Whether what stands before a pronoun names what it means.

    "its" may mean the subject of its own clause. "it" cannot: there must be another clause between, as there is in "did
    Ada say she …".
    """
    opens = _OPENS.match(before)
    named = [m.end() for m in _NAME.finditer(before)]
    if not opens and (first := _FIRST_NAME.match(before)):
        named.append(first.end())
    if named and (own or (pronoun in ("he", "she") and _SAYING.search(before))):
        return True
    nouns = [*named, *(m.end() for m in _NOUN.finditer(before))]
    return any(_CLAUSE.search(before, end) for end in nouns)


def _leans_in_chinese(text: str) -> bool:
    joined = _JOINS.match(text)
    rest = (text[joined.end() :] if joined else text).rstrip("？?。 ")
    elliptical = _ZH_ASKS.search(rest.removesuffix("呢")) is None
    if elliptical and (joined or rest.endswith(("呢", "的"))):
        return True  # 那2019年呢？
    if len(rest) < 3 or _ZH_THIS.search(rest):
        return True
    return any(not _said_before_in_chinese(rest[: m.start()], m[0]) for m in _ZH_PRONOUN.finditer(rest))


def _said_before_in_chinese(before: str, pronoun: str) -> bool:
    """Whether a subject stands before it: for 其 and 该 in the same clause, for the others in an earlier one."""
    clauses = re.split(r"[，,；;。]", before)
    said = clauses if pronoun[0] in "其该" else clauses[:-1]
    return any(len(_ZH_TIME.sub("", clause)) >= 2 for clause in said)


def checked(reply: str, question: str, history: Sequence[Turn]) -> str:
    """The rewrite where it is one question in the same language about the same subject; else the question.

    The same subject: it keeps what the question names and most of what it says, names nothing that was not spoken of,
    and denies nothing that was not denied. Where the question says nothing by itself, it asks in words that were said.
    """
    text = rewrite_check.cleaned(reply)
    asked = [question, *(turn.question for turn in history)]
    spoken = [*asked, *(turn.answer for turn in history)]
    good = rewrite_check.is_question_like(text, question) and rewrite_check.keeps(text, question)
    if not good or rewrite_check.same(text, question) or not rewrite_check.of_the_subject(text, spoken):
        return question
    if rewrite_check.denies(text) and not any(map(rewrite_check.denies, asked)):
        return question
    if rewrite_check.is_elliptical(question) and rewrite_check.subject(text) - rewrite_check.subject("\n".join(spoken)):
        return question
    return text


def _prompt(question: str, history: Sequence[Turn], model: Model) -> Prompt | None:
    """With as many of the last turns as fit; None where not even one does."""
    turns = tuple(Turn(turn.question, turn.answer[:ANSWER_CHARS]) for turn in history[-TURNS:])
    reply = context_budget.reply_tokens(REPLY_TOKENS, model)
    while turns:
        prompt = Prompt("condense", "question", question, detect.of(question), reply, history=turns)
        if context_budget.fits(prompt, model):
            return prompt
        turns = turns[1:]
    return None
