"""What reports call by several names, and whether a question asks for a figure.

A person asks for capex and the income statement; the page is headed "Consolidated statements of operations" and its
row "Purchases of property, plant and equipment". A ratio stands on no page; its parts do.
"""

import re
from collections.abc import Sequence

# Of 53 questions about annual reports, one report searched, 24 find their page first with the other names, 18 without;
# 45 and 43 among the first five. Questions about encyclopaedia pages find neither more nor less.
_STATEMENTS: Sequence[Sequence[str]] = (
    (
        *("income statement", "statement of income", "statements of income", "statement of operations"),
        *("statements of operations", "statement of earnings", "statements of earnings"),
        *("profit and loss statement", "p&l statement", "p&l"),
    ),
    ("balance sheet", "balance sheets", "statement of financial position", "statement of financial condition"),
    ("cash flow statement", "statement of cash flows", "statements of cash flows"),
    ("利润表", "损益表"),
    ("现金流量表", "现金流动表"),
)
_SAME: Sequence[Sequence[str]] = (
    *_STATEMENTS,
    (
        *("capex", "capital expenditure", "capital expenditures", "capital spending"),
        *("purchases of property, plant and equipment", "purchases of property and equipment"),
        *("additions to property, plant and equipment", "additions to property and equipment"),
    ),
    ("ppne", "pp&e", "ppe", "property, plant and equipment", "property and equipment"),
    ("cogs", "cost of goods sold", "cost of sales", "cost of revenue"),
    ("revenue", "revenues", "net sales", "net revenues", "total revenue"),
    ("net income", "net earnings", "net profit"),
    ("operating income", "operating profit", "income from operations"),
    ("eps", "earnings per share"),
    ("r&d", "research and development"),
    ("sg&a", "selling, general and administrative"),
    ("营业收入", "营收"),
    ("净利润", "净利"),
    ("研发投入", "研发费用", "研究开发费"),
)
_PARTS: Sequence[tuple[str, str]] = (
    ("gross margin", "gross profit, revenue, cost of sales"),
    ("operating margin", "operating income, revenue"),
    ("net profit margin", "net income, revenue"),
    ("working capital", "total current assets, total current liabilities"),
    ("current ratio", "total current assets, total current liabilities"),
    ("quick ratio", "total current assets, total current liabilities, cash, receivables, inventories"),
    ("free cash flow", "cash provided by operating activities, capital expenditures"),
    ("free cashflow", "cash provided by operating activities, capital expenditures"),
    ("ebitda", "operating income, depreciation and amortization"),
    ("capital-intensive", "capital expenditures, property, plant and equipment, total assets"),
    ("return on assets", "net income, total assets"),
    ("return on equity", "net income, total shareholders' equity"),
    ("asset turnover", "revenue, total assets"),
    ("inventory turnover", "cost of sales, inventories"),
    ("days payable", "accounts payable, cost of sales, inventories"),
    ("毛利率", "营业收入 营业成本"),
    ("资产负债率", "资产总计 负债合计"),
)
_WORDS = frozenset(" ".join(name for group in (*_SAME, *_PARTS) for name in group).replace(",", " ").split())
_WITH_DIGIT = re.compile(r"\d\S*")  # a word from its first digit on, so that each is found once
_FIGURE = re.compile(
    r"\bhow (?:many|much|large|high)\b|\b(?:amount|average|balance sheet|cagr|capital[ -]intensive|cash flows?|"
    r"cashflow|cost|earnings|ebitda|expenditures?|expenses?|figure|growth|income|liabilit(?:y|ies)|margins?|million|billion|net|"
    r"number|percent(?:age)?|profit|rate|ratio|revenues?|sales|sum|tax|total|turnover|usd|value)\b|[%$€£¥]"
    r"|多少|[率额]|金额|总计|合计|收入|利润|成本|费用|资产|负债",
    re.IGNORECASE,
)


def other_names(question: str) -> list[str]:
    """Other names of what a question speaks of, and what its ratios are made of; nothing that it says itself."""
    said = question.lower()
    found = [name for _, names in named(question) for name in names]
    return found + [parts for ratio, parts in _PARTS if ratio in said]


def named(question: str) -> list[tuple[str, list[str]]]:
    """What a question speaks of that has several names: the longest one that it says, and those that it does not."""
    said = question.lower()
    found = []
    for group in _SAME:
        spoken = [name for name in group if _speaks(said, name)]
        if spoken:
            found.append((max(spoken, key=len), [name for name in group if name not in said]))
    return found


def without_statements(question: str) -> str:
    """The question in lower case without the names of statements: which table it means, and not which row."""
    said = question.lower()
    for group in _STATEMENTS:
        for name in sorted(group, key=len, reverse=True):
            if _speaks(said, name):
                said = said.replace(name, " ")
    return said


def asks_figure(question: str) -> bool:
    """Whether it asks for an amount, a number, a ratio, or how one grew."""
    return _FIGURE.search(question) is not None


def is_term(word: str) -> bool:
    """Whether it is a word of what reports call by several names."""
    return word.lower() in _WORDS


def figures(text: str) -> float:
    """The share of the words of a text that hold a digit, 0 to 1; near 0 for a text of a few words."""
    return len(_WITH_DIGIT.findall(text)) / (len(text.split()) + 20)


def _speaks(said: str, name: str) -> bool:
    """Whether a name stands in a question as words of its own; Chinese parts none."""
    if not name.isascii():
        return name in said
    return re.search(rf"(?<![\w&]){re.escape(name)}(?![\w&])", said) is not None
