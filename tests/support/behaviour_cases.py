"""What tests/support/behaviour_record.py runs: command lines, and what the scripted model server replies to their
prompts."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import behaviour_documents as pdfs
from tests.support.servers import Reply, Request, said

ASK_CHAINS = ("stuff", "map_reduce", "refine", "map_rerank")
SUMMARY_CHAINS = ("stuff", "map_reduce", "refine", "recursive")
SCRIPTED = ("--model", "openai:scripted", "--again")  # --again: no case is answered from another's replies
FROM_EACH = ("--chain", "map_rerank", "--rerank", "answer")
CONTEXT = 4096  # tokens of the scripted server's window: small, so that chains have to budget
QUESTIONS, EXAMPLES = "questions.jsonl", "examples.toml"
SMALL_CONTEXT = 1024  # tokens: too few for a document, or for eight passages, at once

# Questions that several cases ask in different ways.
KEEPER = "Who kept the light before Anna Holm?"
NET_SALES = "What were Meridian's net sales in 2020?"
INTEREST = "What was Meridian's interest expense in 2019?"
MARRIED = "Who did Anna Holm marry?"
RED_LAMP = "What does it mean if the red lamp flashes twice?"
UNANSWERED = "What is the population of Omaha?"
COMPARED = "Compare the net sales of Meridian and Northwind in 2021."
REVENUE_ZH = "公司2020年的营业收入是多少？"
CHAIRMAN_ZH = "2021年青石湾港务的法定代表人是谁？"
# Asked through all four chains, of the extractive model and of the scripted server.
_CORE = (
    KEEPER,
    NET_SALES,
    "How many employees does Northwind Tools have?",
    INTEREST,
    MARRIED,
    RED_LAMP,
    "Where are the largest tides of the world?",
    "Did Meridian repurchase shares in 2021?",
    UNANSWERED,
    COMPARED,
    REVENUE_ZH,
    CHAIRMAN_ZH,
    "林阿海给新船取了什么名字？",
    "公司2020年的现金流量是多少？",
    "2021年营业收入为什么下降？",
)
# Asked through all four chains, of the extractive model alone.
_MORE = (
    "When did the Bertha strike the reef?",
    "How much did depreciation rise from 2019 to 2021?",
    "Who voted against the second lifeboat?",
    "三号码头投资了多少？",
    "Which hose is for air?",
)
# Asked through one chain, of the extractive model.
_PLAIN = """\
How many men of the Bertha were saved?
What was the name of Captain Ferris's cat?
Who received the bronze medal?
What happened in 1879?
Why did Krull strike the reef?
How many ships did Anna count in January?
Did Anna Holm marry Mr. Lund?
What did Peter do with his medal?
What was Meridian's net income in 2021?
What was Meridian's diluted EPS in 2019?
Did Northwind make a profit in 2021?
Who is the CEO of Northwind Tools?
Who is the CFO of Meridian?
What was Northwind's gross profit in 2018?
Did Meridian's gross margin rise or fall in 2021?
What share of Meridian's sales went to Halden Stores in 2020?
Was a dividend paid by Northwind in 2021?
How often must the filter be cleaned?
What oil does the pump use?
What voltage must not be exceeded?
How far does the sea rise at Almond Bay?
When is the next meeting of the Council?
公司2019年的净利润是多少？
2021年的研发费用是多少？
2018年的总资产是多少？
董事会秘书是谁？
公司成立于哪一年？
2020年货物吞吐量是多少？
公司2020年分配股利了吗？
2021年员工有多少人？
哪个台风使港口停工？
谁发现了林大山？
平安号是哪年造的？
谁教林阿海认字？
张三是谁？
What is the revenue of 青石湾港务 in 2020?
Meridian 2021年的净销售额是多少？
安娜·霍尔姆是谁？
Holm
net sales
2021
???
the
Please answer in Chinese: who kept the light?
""".splitlines()
# (words of the case's name, question, options)
_SCOPED = (
    ("document", "Who is Brandt?", ("--document", pdfs.NORTHWIND)),
    ("two documents", "What were net sales in 2021?", ("--document", pdfs.MERIDIAN, "--document", pdfs.NORTHWIND)),
    ("pages", "What happened to the Bertha?", ("--document", pdfs.NOVEL, "--pages", "3-4")),
    ("since", "公司的法定代表人是谁？", ("--since", "2021")),
    ("until", "公司的法定代表人是谁？", ("--until", "2020")),
    ("nothing in scope", "Who kept the light?", ("--since", "2030")),
    ("k", "What is said of Almond Bay?", ("-k", "2")),
    ("language", KEEPER, ("--language", "zh")),
    ("answer from each", REVENUE_ZH, FROM_EACH),
)
_SEARCHED = (
    "Bertha reef",
    "Meridian net sales 2020",
    "Northwind Tools Corporation employees",
    "clean the filter",
    "spring tides and neap tides",
    "lifeboat",
    "营业收入 2020年",
    "台风",
    "林大山在哪里被发现？",
    "zzzz qqqq",
)

_FILES = {
    "prices.toml": '[[price]]\nmodel = "openai:scripted"\ninput = 0.5\noutput = 1.5\ncurrency = "EUR"\n',
    EXAMPLES: '[[example]]\nquestion = "Who built the mill?"\nanswer = "John Reed built it."\nnote = "Short."\n',
    QUESTIONS: "\n".join(
        (
            '{"id": 1, "question": "Who wrote to Anna?", "documents": ["The Keeper of Skarn Rock.pdf"]}',
            '{"id": "二", "question": "公司总部在哪里？"}',
            '{"id": 3, "question": "Who?", "documents": ["no such document"]}',
            '{"id": 4}',
            "no JSON",
        )
    ),
}


@dataclass(frozen=True)
class Case:
    """One command line of `pagewise`. `settings`: of its environment, beside those of all cases."""

    name: str
    arguments: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def write_inputs(folder: Path) -> None:
    """Write the files that some cases take: prices, examples, questions. `folder` is the current one of all cases."""
    for name, text in _FILES.items():
        (folder / name).write_text(text, encoding="utf-8")


def list_cases() -> list[Case]:
    """All cases, in the order of their running, after the documents were added. Their names are unique."""
    return [*_library_cases(), *_search_cases(), *_extractive_cases(), *_scripted_cases(), *_failing_cases()]


def _library_cases() -> Iterator[Case]:
    yield Case("list", ("list", "--json"))
    yield Case("list, as text", ("list",))
    for name in (
        *(pdfs.NOVEL, pdfs.MERIDIAN, pdfs.NORTHWIND, pdfs.REPORT_2020, pdfs.REPORT_2021),
        *(pdfs.STORY, pdfs.MANUAL, pdfs.COLUMNS, pdfs.LOG, pdfs.MINUTES),
    ):
        yield Case(f"health: {name}", ("health", name, "--json"))
    yield Case("health, as text", ("health", pdfs.MINUTES))
    yield Case("prices", ("prices", "--json"))
    yield Case("prices, as text", ("prices", "--init"))
    for chain in SUMMARY_CHAINS:
        yield Case(f"plan: {chain}", ("summarize", pdfs.MERIDIAN, "--chain", chain, "--plan", "--json"))
        scripted = ("summarize", pdfs.MERIDIAN, "--chain", chain, "--plan", "--json", "--model", "openai:scripted")
        yield Case(f"plan, scripted: {chain}", scripted)
    yield Case("plan, as text", ("summarize", pdfs.NOVEL, "--plan"))


def _search_cases() -> Iterator[Case]:
    for question in _SEARCHED:
        yield Case(f"search: {question}", ("search", question, "--json", "--explain"))
    yield Case("search, as text", ("search", "Anna Holm", "--explain", "-k", "3"))
    yield Case("search, from a file", ("search", "--from", QUESTIONS, "-k", "2"))


def _extractive_cases() -> Iterator[Case]:
    for question in (*_CORE, *_MORE):
        for chain in ASK_CHAINS:
            yield Case(f"ask, {chain}: {question}", ("ask", question, "--chain", chain, "--json"))
    for question in _PLAIN:
        yield Case(f"ask: {question}", ("ask", question, "--json"))
    for words, question, options in _SCOPED:
        yield Case(f"ask, {words}: {question}", ("ask", question, *options, "--json"))
    yield Case("ask, as text", ("ask", NET_SALES))
    yield Case("ask, a refusal as text", ("ask", UNANSWERED))
    yield Case("ask, from a file", ("ask", "--from", QUESTIONS))
    for question in (MARRIED, REVENUE_ZH):
        yield Case(f"compare: {question}", ("compare", question, "--json"))
    yield Case("compare, as text", ("compare", RED_LAMP))
    for chain in SUMMARY_CHAINS:
        for name in (pdfs.NORTHWIND, pdfs.STORY, pdfs.LOG):
            yield Case(f"summarize, {chain}: {name}", ("summarize", name, "--chain", chain, "--json"))
    yield Case("summarize, as text", ("summarize", pdfs.STORY))


def _scripted_cases() -> Iterator[Case]:
    for question in _CORE:
        for chain in ASK_CHAINS:
            yield Case(f"scripted, {chain}: {question}", ("ask", question, "--chain", chain, "--json", *SCRIPTED))
    for way in ("--step-back", "--think", "--split"):
        for question in (COMPARED, CHAIRMAN_ZH):
            yield Case(f"scripted, {way}: {question}", ("ask", question, way, "--json", *SCRIPTED))
    yield Case("scripted, --examples", ("ask", COMPARED, "--examples", EXAMPLES, "--json", *SCRIPTED))
    resumed = ("ask", KEEPER, "--chain", "map_reduce", "--json", "--model", "openai:scripted")
    yield Case("scripted, asked before", resumed)
    yield Case("scripted, another language", ("ask", MARRIED, "--language", "zh", "--json", *SCRIPTED))
    yield Case("scripted, answer from each", ("ask", INTEREST, *FROM_EACH, "--json", *SCRIPTED))
    yield Case("scripted, capped", ("ask", KEEPER, "--chain", "map_reduce", "--max-calls", "3", "--json", *SCRIPTED))
    yield Case("scripted, as text", ("ask", MARRIED, "--chain", "refine", *SCRIPTED))
    yield Case("scripted, compare", ("compare", NET_SALES, "--json", *SCRIPTED))
    for chain in SUMMARY_CHAINS:
        yield Case(f"scripted, summarize, {chain}", ("summarize", pdfs.NOVEL, "--chain", chain, "--json", *SCRIPTED))
    small = {"PAGEWISE_CONTEXT": str(SMALL_CONTEXT)}
    for chain in SUMMARY_CHAINS:
        arguments = ("summarize", pdfs.LOG, "--chain", chain, "--json", *SCRIPTED)
        yield Case(f"scripted, small window, summarize, {chain}", arguments, small)
    for chain in ASK_CHAINS:
        arguments = ("ask", NET_SALES, "--chain", chain, "--json", *SCRIPTED)
        yield Case(f"scripted, small window, {chain}", arguments, small)
    for name in (pdfs.NOVEL, pdfs.MERIDIAN):
        yield Case(f"plan, after calls: {name}", ("summarize", name, "--plan", "--json", "--model", "openai:scripted"))


def _failing_cases() -> Iterator[Case]:
    yield Case("error: unknown document", ("health", "no such document", "--json"))
    yield Case("error: part of a document's name", ("health", "港务", "--json"))
    yield Case("error: wrong setting", ("list", "--json"), {"PAGEWISE_PASSAGES": "0"})
    yield Case("error: unknown setting", ("list", "--json"), {"PAGEWISE_CHIAN": "stuff"})
    yield Case("error: unknown model", ("ask", "x", "--json", "--model", "nobody:at-all"))
    yield Case("error: wrong use", ("ask", "x", "--since", "2022", "--until", "2020"))
    yield Case("error: the model's server", ("ask", KEEPER, "--json", "--model", "openai:broken", "--again"))
    yield Case("remove", ("remove", pdfs.COLUMNS, "--json"))
    yield Case("list, after the removal", ("list", "--json"))


def routes() -> dict[str, Any]:
    """What the scripted server says of itself, as vLLM does: its models, their window, and how long a text is."""
    models = [{"id": name, "max_model_len": CONTEXT} for name in ("scripted", "broken")]
    return {"/v1/models": {"object": "list", "data": models}, "/tokenize": _count_tokens}


def _count_tokens(request: Request) -> Reply:
    body = request.body
    texts = [body["prompt"]] if "prompt" in body else [message["content"] for message in body["messages"]]
    return Reply(body={"count": sum(map(_tokens, texts))})


def _tokens(text: str) -> int:
    return len(re.findall(r"[㐀-鿿]|\w+|[^\w\s]", text))


_SOURCE = re.compile(r'<source n="(\d+)"[^>]*>\n(.*?)\n</source>', re.DOTALL)
_NOTE = re.compile(r"<(?:note|draft)>\n(.*?)\n</(?:note|draft)>", re.DOTALL)
_QUESTION = re.compile(r"<question>\n(.*?)\n</question>\s*$", re.DOTALL)
_SENTENCE = re.compile(r"(?:[^.。？?！!\n]|\.(?=\d))+[.。？?！!]?")
_HAN = re.compile("[㐀-鿿]")
_UNCITED = {
    "en": "This was so for 77 years. Much more could be said of it here.",
    "zh": "此事持续了77年。这里还可以说很多。",
}


def reply_to(request: Request) -> Reply:
    """A reply that follows from the prompt alone, as a fair model's would.

    It looks at the tags around the prompt's data and at none of the prompt's own words: a prompt that is worded anew
    gets the same reply, so the record differs in that prompt alone. Two of its sentences have no citation, and one of
    these has a figure that is on no page, so the checks of both are recorded too.
    """
    if request.body["model"] == "broken":
        return Reply(status=400, body={"error": {"message": "the model is broken", "code": "broken"}})
    messages = request.body["messages"]
    system, user = messages[0]["content"], messages[-1]["content"]
    sources, notes = _SOURCE.findall(user), _NOTE.findall(user)
    asked = match[1] if (match := _QUESTION.search(user)) else ""
    text = _answer(asked, sources, notes) if sources or notes else _rewritten(asked)
    score = _score(asked, sources)
    if schema := _schema(request.body):
        text = json.dumps({name: score if kind == "integer" else text for name, kind in schema.items()})
    elif "<reasoning>" in system:
        text = f"<reasoning>Of {len(sources)} sources the one that shares most words counts.</reasoning>\n{text}"
    bill = (sum(_tokens(message["content"]) for message in messages), _tokens(text))
    return said(*re.findall(r"\s*\S+", text), bill=bill)


def _schema(body: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the JSON that the reply has to be, with their types; empty where any text will do."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return {name: value["type"] for name, value in schema.get("properties", {}).items()}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[㐀-鿿]|[^\W\d_㐀-鿿]{3,}|\d+", text.lower()))


def _rewritten(question: str) -> str:
    """Two questions of the words of one: more general, and its parts."""
    if _HAN.search(question):
        subject = re.sub(r"[？?]|是谁|多少|什么|为什么", "", question)
        return f"{subject}的情况是什么？\n{subject}是怎样变化的？"
    subject = " and ".join(re.findall(r"\b[A-Z]\w+", question)[1:3]) or question.strip("?")
    return f"What is said of {subject}?\nWhat were the net sales of {subject}?"


def _score(question: str, sources: Sequence[tuple[str, str]]) -> int:
    """0 to 100: the share of the question's words that the first source has."""
    words = _words(question)
    return round(100 * len(words & _words(sources[0][1])) / max(1, len(words))) if sources else 0


def _answer(question: str, sources: Sequence[tuple[str, str]], notes: Sequence[str]) -> str:
    """The sentence of the sources that shares most words with the question, quoted, after what the notes say.

    Without a question: the first long sentence of each source. A refusal in a model's own words where none shares two.
    """
    words = _words(question)
    found: list[tuple[int, str, str]] = []
    for n, text in sources:
        sentences = [piece.strip() for piece in _SENTENCE.findall(text) if len(piece.strip()) > 12]
        if sentences:
            best = max(sentences, key=lambda sentence: (len(words & _words(sentence)), zlib.crc32(sentence.encode())))
            found.append((len(words & _words(best)), n, best))
    found.sort(key=lambda one: -one[0])
    if question:
        found = [one for one in found if one[0] > 1][:2]
    said_before = " ".join(note.strip()[:600] for note in notes)
    if not found and not said_before:
        return "来源中没有提到。" if _HAN.search(question) else "The sources do not mention this."
    quoted = " ".join(f'{sentence} [{n}: "{sentence[:60]}"]' for _, n, sentence in found)
    if said_before:
        return f"{said_before} {quoted}".strip()
    return f"{quoted} {_UNCITED['zh' if _HAN.search(question) else 'en']}"
