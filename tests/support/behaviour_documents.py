"""The PDFs that tests/support/behaviour_record.py asks about: made here, the same bytes on each run, so the same
ids."""

from collections.abc import Iterator
from pathlib import Path

from tests.support.pdfs import PICTURE, content_pdf, make_pdf, not_a_pdf, truncated_pdf

NOVEL = "The Keeper of Skarn Rock.pdf"
MERIDIAN = "meridian-foods-10k-2021.pdf"
NORTHWIND = "northwind-tools-10k-2021.pdf"
REPORT_2020 = "青石湾港务2020年年度报告.pdf"
REPORT_2021 = "青石湾港务2021年年度报告.pdf"
STORY = "渔村往事.pdf"
MANUAL = "hydra-200-manual.pdf"
COLUMNS = "tides-in-two-columns.pdf"
MINUTES = "minutes-of-the-council.pdf"
LOG = "harbour-log-1903.pdf"
COPY = "minutes, a copy.pdf"
NO_PDF = "notes.pdf"
BROKEN = "half-a-file.pdf"

_NOVEL = (
    """Chapter 1
The Rock

In the autumn of 1874 Anna Holm came to Skarn Rock to keep the light. She was
thirty-one years old and had never lived alone. Captain Elias Ferris, who had
kept it for nineteen years before her, left her the key, a barrel of oil and a
grey cat called Bishop. "The lamp wants trimming every four hours," he said,
"and the cat wants nothing at all."
Her brother Peter rowed her out from Almond Bay. He did not like the place. He
asked her twice whether she would not rather marry the schoolmaster, Mr. Lund.
Anna did not answer him.""",
    """The first winter was mild. Anna wrote in the log each evening: the wind, the
ships, the oil that was left. In January she counted forty-two ships, in February
only seventeen. Peter brought flour and letters on the first Monday of the month.
Mr. Lund sent books. She read them all, and sent them back without a word.""",
    """Chapter 2
The Wreck of the Bertha

On the night of 9 March 1876 the barque Bertha, out of Riga with timber, struck
the northern reef. The lamp was burning. Her master, Jonas Krull, had taken it for
the light of Cape Almond, which was seven miles further east. Of the fourteen men
aboard eleven were saved. Anna Holm and her brother took them off in two journeys
with the small boat.
Krull never blamed the keeper. At the inquiry in Riga he said: "The light was
where it should be. It was I who was not." """,
    """Chapter 3
The Medal

The Society for Saving Life gave Anna a silver medal and Peter a bronze one. Peter
sold his the next spring to pay for a new boat. Anna kept hers in the oil store,
wrapped in a sock, and showed it to nobody but the cat.
In 1879 she married. It was not Mr. Lund, who had gone to America, but Jonas Krull,
who came back to Skarn Rock with a load of timber and a question. They kept the
light together until 1901, and their daughter Bertha kept it after them.""",
)
_MERIDIAN = (
    """MERIDIAN FOODS, INC.
ANNUAL REPORT ON FORM 10-K
For the fiscal year ended December 31, 2021

Item 1. Business
Meridian Foods, Inc. makes frozen meals and sauces. It was incorporated in Delaware
in 1968 and has its headquarters in Omaha, Nebraska. As of December 31, 2021 it had
approximately 4,300 employees in seven plants. Its largest customer, Halden Stores,
accounted for 23% of net sales in 2021 and 19% in 2020.""",
    """Item 7. Management's Discussion and Analysis
Net sales rose 7.4% to $1,577.0 million in 2021, mainly because of higher prices.
Gross margin fell to 31.2% from 33.0%, as the cost of oils and packaging rose.
We did not repurchase any shares in 2021. In 2020 we repurchased 1.1 million shares.
The board declared a dividend of $0.48 per share in 2021.""",
    """CONSOLIDATED STATEMENTS OF INCOME
(in millions, except per share amounts)
Years ended December 31,          2021          2020          2019
Net sales                      1,577.0       1,468.3       1,402.9
Cost of goods sold             1,085.0         983.8         951.2
Gross profit                     492.0         484.5         451.7
Research and development          21.4          20.2          19.5
Interest expense                  38.6          41.0          44.3
Net income                       112.8         120.7          98.1
Diluted earnings per share        2.31          2.44          1.97""",
    """Item 8. Notes to Consolidated Financial Statements
Note 4. Property, plant and equipment
Depreciation was $61.5 million in 2021, $58.0 million in 2020 and $55.2 million in 2019.
Capital expenditures were $74.9 million in 2021 and $88.2 million in 2020.
Note 11. Legal matters
In May 2021 a jury in Polk County found for the Company in the matter of Orr v. Meridian.
The plaintiff has appealed. The Company has not recorded a liability.""",
)
_NORTHWIND = (
    """NORTHWIND TOOLS CORPORATION
ANNUAL REPORT ON FORM 10-K
For the fiscal year ended June 30, 2021

Item 1. Business
Northwind Tools Corporation makes hand tools and compressors. It was incorporated in
Ohio in 1931. Its chief executive officer is Margaret Oyelaran, its chief financial
officer is Tom Brandt. As of June 30, 2021 it had 812 employees, all in Dayton, Ohio.""",
    """CONSOLIDATED STATEMENTS OF INCOME
(in thousands)
Years ended June 30,              2021          2020
Net sales                      214,806       231,977
Cost of goods sold             150,112       158,020
Gross profit                    64,694        73,957
Net income (loss)               (3,218)        9,406
Net sales fell by 7.4% because two distributors closed. We paid no dividend in 2021.""",
)
_REPORT_2020 = (
    """青石湾港务股份有限公司
2020年年度报告
公司法定代表人是王小明，董事会秘书是李静。
公司成立于1998年，总部位于青石湾市。
截至2020年12月31日，公司共有员工1,286人。""",
    """主要会计数据
单位：亿元
项目              2020年      2019年      2018年
营业收入            3.20        2.85        2.61
净利润              0.41        0.38        0.33
研发费用            0.12        0.09        0.08
总资产              9.76        9.10        8.72""",
    """管理层讨论与分析
2020年公司完成货物吞吐量1,850万吨，同比增长6.3%。
公司未在2020年分配股利。
新建的三号码头于2020年9月投入使用，投资1.5亿元。""",
)
_REPORT_2021 = (
    """青石湾港务股份有限公司
2021年年度报告
公司法定代表人是陈国栋，董事会秘书是李静。
截至2021年12月31日，公司共有员工1,302人。""",
    """主要会计数据
单位：亿元
项目              2021年      2020年
营业收入            3.05        3.20
净利润              0.36        0.41
研发费用            0.15        0.12
2021年营业收入下降，主要是因为台风“烟花”使港口停工九天。""",
)
_STORY = (
    """第一章 老船
林阿海在渔村出生，十四岁就跟着父亲林大山出海。
父亲的船叫“平安号”，是1962年造的。
村里的小学老师周敏教他认字，他一直记得她。""",
    """第二章 风暴
1987年8月，一场台风袭来，平安号没有回港。
三天以后，邻村的渔民陈福在白沙洲发现了林大山，他还活着。
林阿海没有哭，他只问了一句：“船呢？”
后来他用赔偿金买了一条新船，给它取名“周敏号”。""",
)
_MANUAL = (
    ("HYDRA 200", "Safety"),
    ("Contents", "1 Installation ...... 1", "2 Operation ...... 2", "3 Maintenance ...... 3"),
    (
        *("1 Installation", "1.1 Before you begin"),
        "Place the pump on a level floor. Keep at least 40 cm free on all sides.",
        "Never connect the pump to a supply of more than 240 V.",
        *("1.2 Connecting the hoses", "Use the blue hose for water and the red hose for air."),
    ),
    (
        *("2 Operation", "Press START and hold it for three seconds. The green lamp lights up."),
        "If the red lamp flashes twice, the filter is blocked. If it flashes three times,",
        "the motor is too hot: wait until it has cooled down.",
    ),
    (
        *("3 Maintenance", "3.1 Filter", "Clean the filter every 200 hours of operation. Do not use solvents."),
        *("3.2 Oil", "Change the oil after the first 50 hours, then every 1,000 hours. Use ISO VG 46."),
        "The pump holds 1.8 litres of oil.",
    ),
)
_LEFT = (
    *("Tides rise and fall because of", "the moon and, less, the sun.", "At new and full moon both pull"),
    *("in one line: spring tides are", "the highest. At the quarters", "the neap tides are the lowest."),
)
_RIGHT = (
    *("The largest tides of the world", "are in the Bay of Fundy, where", "the water rises 16 metres."),
    *("The Baltic has hardly any: at", "Almond Bay the sea rises", "only 11 centimetres."),
)
_MINUTES = (
    """Minutes of the Council of Almond Bay, 4 May 1902
Present: Mayor Ida Thorsen, Mr. Brandt, Mrs. Krull.
The Council resolved to buy a second lifeboat for 2,400 crowns.""",
    """Mr. Brandt voted against it. The Mayor thanked the keeper of Skarn Rock.
The next meeting will be on 1 June 1902.""",
    """Mr. Brandt voted against it. The Mayor thanked the keeper of Skarn Rock.
The next meeting will be on 1 June 1902.""",
    "",
    PICTURE,
)
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September")
_SHIPS = ("Concordia", "Emma", "Nordstern", "Patience", "Swallow", "Tamar", "Vesta")
_GOODS = ("coal from Hull", "herring in barrels", "oak from Riga", "salt from Cadiz", "slate", "wheat from Danzig")


def _write_log() -> Iterator[str]:
    """A page for each month, long enough for a summary in several calls."""
    for month, name in enumerate(_MONTHS):
        lines = [f"{name} 1903", f"Kept by {('Bertha Krull', 'Ida Thorsen')[month % 2]}, harbour master."]
        for entry in range(12):
            n = month * 12 + entry
            ship, goods = _SHIPS[n * 3 % len(_SHIPS)], _GOODS[n * 5 % len(_GOODS)]
            lines.append(f"On {1 + entry * 2} {name} the {ship} came in with {40 + n * 37 % 90} tons of {goods}.")
        lines.append(f"In {name} the harbour took {1200 + month * 131 % 700} crowns in dues.")
        yield "\n".join(lines)


def make_documents(folder: Path) -> list[Path]:
    """All documents, in the order in which they are to be added: the copy and the two that cannot be read come last."""
    folder.mkdir(parents=True, exist_ok=True)
    header, footer = "Hydra 200 - Operating instructions", "Hydra Pumps Ltd."
    manual = [
        "\n".join((header, *lines, *("" for _ in range(38 - len(lines))), f"{footer}   {n}"))
        for n, lines in enumerate(_MANUAL, 1)
    ]
    outline = (("Safety", 1, 1), ("1 Installation", 1, 3), ("1.2 Connecting the hoses", 2, 3), ("3 Maintenance", 1, 5))
    minutes = make_pdf(folder / MINUTES, _MINUTES)
    months = [(month, 1, page) for page, month in enumerate(_MONTHS, 1)]
    copy = folder / COPY
    copy.write_bytes(minutes.read_bytes())
    return [
        make_pdf(folder / NOVEL, _NOVEL, title="The Keeper of Skarn Rock"),
        make_pdf(folder / MERIDIAN, _MERIDIAN),
        make_pdf(folder / NORTHWIND, _NORTHWIND),
        make_pdf(folder / REPORT_2020, _REPORT_2020),
        make_pdf(folder / REPORT_2021, _REPORT_2021),
        make_pdf(folder / STORY, _STORY, title="渔村往事"),
        make_pdf(folder / MANUAL, manual, title="Hydra 200", outline=outline, labels=((1, "r", 1), (3, "D", 1))),
        content_pdf(folder / COLUMNS, _draw_columns()),
        make_pdf(folder / LOG, list(_write_log()), title="The harbour log of Almond Bay, 1903", outline=months),
        minutes,
        copy,
        not_a_pdf(folder / NO_PDF),
        truncated_pdf(folder / BROKEN),
    ]


def _draw_columns() -> bytes:
    """The content stream of a page of two columns, drawn row by row: its order is not that of reading."""
    rows = enumerate(zip(_LEFT, _RIGHT, strict=True))
    drawn = [(x, 700 - 14 * n, text) for n, row in rows for x, text in zip((72, 320), row, strict=True)]
    return "\n".join(f"BT /F1 11 Tf {x} {y} Td ({text}) Tj ET" for x, y, text in drawn).encode()
