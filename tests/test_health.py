"""Every page says what became of it: text, none, garbled, the same as another. No language is taken for garble."""

import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.document import HEALTHS, Page, health_counts, with_duplicates
from ingest.pdf.extract import read
from ingest.pdf.extract_worker import Limits
from ingest.pdf.mojibake import garbled
from tests.support import pdfs

# A page's worth of plain prose in each.
PROSE = {
    "English": "The harbour board met on Tuesday and agreed to mend the old lighthouse before the storms begin.",
    "German": "Der Vorstand tagte am Dienstag und beschloss, den alten Leuchtturm vor dem Winter zu erneuern.",
    "French": "Le conseil s'est réuni mardi et a décidé de réparer le vieux phare avant que les tempêtes arrivent.",
    "Spanish": "El consejo se reunió el martes y decidió reparar el viejo faro antes de que lleguen los temporales.",
    "Polish": "Zarząd zebrał się we wtorek i postanowił wyremontować starą latarnię morską, zanim zaczną się sztormy.",
    "Czech": "Rada se sešla v úterý a rozhodla se opravit starý maják dříve, než začnou zimní bouře a zamrzne přístav.",
    "Finnish": "Hallitus kokoontui tiistaina ja päätti korjata vanhan majakan ennen kuin talven myrskyt alkavat.",
    "Hungarian": "A testület kedden ülésezett, és úgy döntött, hogy a viharok előtt kijavíttatja a világítótornyot.",
    "Turkish": "Kurul salı günü toplandı ve kış fırtınaları başlamadan önce eski deniz fenerini onarmaya karar verdi.",
    "Vietnamese": "Hội đồng họp hôm thứ ba và quyết định sửa chữa ngọn hải đăng cũ trước khi mùa đông bắt đầu.",
    "Russian": "Совет собрался во вторник и решил починить старый маяк до того, как начнутся зимние бури у берега.",
    "Greek": "Το συμβούλιο συνεδρίασε την Τρίτη και αποφάσισε να επισκευάσει τον παλιό φάρο πριν από τις καταιγίδες.",
    "Arabic": "اجتمع المجلس يوم الثلاثاء وقرر إصلاح المنارة القديمة قبل أن تبدأ عواصف الشتاء على الساحل.",
    "Chinese": "理事会星期二开会，决定在冬季风暴到来之前修好旧灯塔，并且把港口的航道重新测量一遍，费用由公司分担。",
    "Traditional Chinese": "理事會星期二開會，決定在冬季風暴到來之前修好舊燈塔，並且把港口的航道重新測量一遍。",
    "Japanese": "理事会は火曜日に開かれ、冬の嵐が始まる前に古い灯台を修理し、港の航路をもう一度測量することを決めた。",
    "Korean": "이사회는 화요일에 모여 겨울 폭풍이 시작되기 전에 낡은 등대를 수리하고 항구의 항로를 측량하기로 했다.",
}
TABLE = "\n".join(f"Total {year} 1,234.5 (67.8) 9.0% — $ 12,345 $ (678)" for year in range(2000, 2020))
CONTENTS = "\n".join(f"{n}.{n} The state of the harbour . . . . . . . . . . . . . . . . {10 * n}" for n in range(1, 20))
FORMULA = (
    "由式 (3.10) 可得\n" + "∂E_k/∂v_ih = Σ_j ∂E_k/∂ŷ_j · w_hj ≤ ‖x − μ‖² , ∀ i ∈ {1, …, m}, α_i ≥ 0, ξ_i ⩾ 0 ⇒ θ*\n" * 8
)
CODE = "for (int i = 0; i < n; ++i) { if (a[i] != b[i]) { return -1; } }\n" * 8
TICKERS = (
    "NYSE: MMM, NFLX, ADBE, PFE, JNJ, AMZN, BBY, GIS, PEP, KHC, CVS, WMT, LMT, BA, AES, MGM, FL, ULTA, JPM, AMD\n" * 3
)


@pytest.mark.parametrize("language", PROSE)
def test_no_language_is_garbled(language: str) -> None:
    assert garbled(PROSE[language] * 4) == "" and garbled(PROSE[language]) == ""


@pytest.mark.parametrize("text", [TABLE, CONTENTS, FORMULA, CODE, TICKERS, "", " \n ", "12", "\uf0b7 One\n\uf0b7 Two"])
def test_tables_formulas_and_scraps_are_not_garbled(text: str) -> None:
    assert garbled(text) == ""


def shifted(text: str, by: int) -> str:
    return "".join(chr(max(33, ord(c) + by)) if " " < c < "\x7f" else c for c in text)


def swapped(text: str, seed: int) -> str:
    letters = list(string.ascii_lowercase)
    random.Random(seed).shuffle(letters)
    table = dict(zip(string.ascii_lowercase, letters, strict=True))
    return "".join(table.get(c, c) for c in text.lower())


GARBLES = {
    "glyph numbers for codes": shifted(PROSE["English"] * 4, -29),
    "one further": shifted(PROSE["German"] * 4, 1),
    "letters swapped": swapped(PROSE["English"] * 4, 1),
    "no letters": "".join(chr(0xE000 + ord(c)) if c != " " else c for c in PROSE["English"]),
    "not known": "\ufffd" * 60,
    "numbers": " ".join(f"(cid:{ord(c)})" for c in PROSE["English"]),
    "UTF-8 as Latin, Chinese": PROSE["Chinese"].encode().decode("cp1252", "ignore"),
    "UTF-8 as Latin, French": (PROSE["French"] * 4).encode().decode("cp1252", "ignore"),
    "GBK as Latin": PROSE["Chinese"].encode("gbk").decode("latin-1"),
    "UTF-8 as GBK": PROSE["Chinese"].encode().decode("gbk", "ignore"),
    "Cyrillic as Latin": PROSE["Russian"].encode("cp1251").decode("cp1252", "ignore"),
    "signs": "".join(chr(33 + ord(c) % 15) for c in PROSE["English"]),
}


@pytest.mark.parametrize("kind", GARBLES)
def test_wrong_letters_are_garbled(kind: str) -> None:
    assert garbled(GARBLES[kind]).startswith("garbled: ")


def test_swapped_letters_are_nearly_always_found() -> None:
    assert sum(bool(garbled(swapped(PROSE["English"] * 4, seed))) for seed in range(200)) > 170


@given(st.text())
def test_any_text_can_be_judged(text: str) -> None:
    assert garbled(text) == "" or garbled(text).startswith("garbled: ")


@given(st.lists(st.sampled_from(["", "One fox.", "ONE  fox.", "One\nfox.", "Two", "oﬃce", "office"]), max_size=12))
def test_a_duplicate_names_the_first_page_that_says_the_same(texts: list[str]) -> None:
    pages = with_duplicates(Page(n, str(n), text) for n, text in enumerate(texts, 1))
    for page in pages:
        if page.duplicate_of:
            first = pages[page.duplicate_of - 1]
            assert first.number < page.number and not first.duplicate_of
            assert first.text.casefold().split()[0][0] == page.text.casefold().split()[0][0]
    assert [page.text for page in pages] == texts
    counts = health_counts(pages)
    assert sum(counts.values()) == len(texts) and tuple(counts) == HEALTHS


def garbled_pdf(path: Path, text: str) -> Path:
    """A page that looks right, whose font says of each letter that it is the one 29 further down, as bad fonts do."""
    pairs = "\n".join(f"<{code:02x}> <{max(33, code - 29):04x}>" for code in range(62, 127))
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <ff> endcodespacerange\n65 beginbfchar\n{pairs}\nendbfchar endcmap end end"
    ).encode()
    lines = "".join(f"({line}) Tj T* " for line in text.split("\n"))
    content = f"BT /F1 9 Tf 12 TL 40 740 Td {lines}ET".encode()
    return pdfs.raw_pdf(
        path,
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
            3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>",
            4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            5: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>",
            6: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(cmap), cmap),
        },
    )


def test_a_garbled_page_gives_no_text_and_says_why(tmp_path: Path) -> None:
    path = garbled_pdf(tmp_path / "a.pdf", "\n".join([PROSE["English"]] * 4))
    (page,) = read(path, "a.pdf", Limits(ocr=False)).pages
    assert (page.text, page.health) == ("", "garbled")
    assert page.problem == "garbled: its fonts name the wrong letters"


def test_each_page_says_what_it_is(tmp_path: Path) -> None:
    path = pdfs.make_pdf(tmp_path / "a.pdf", ["One fox.", "", "ONE FOX.", pdfs.PICTURE, "Two foxes."])
    pages = read(path, "a.pdf", Limits(ocr=False)).pages
    assert [page.health for page in pages] == ["text", "no text", "duplicate", "no text", "text"]
    assert [page.duplicate_of for page in pages] == [0, 0, 1, 0, 0]
