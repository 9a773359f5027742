"""Two small PDFs, one in English and one in Chinese, that the command line's tests ask about."""

from pathlib import Path

from tests.support.pdfs import make_pdf

HARBOUR = (
    "The harbour of Almond Bay was founded in 1874.\nIts first lighthouse stood on the northern rock.\n"
    "The lighthouse keeper was Anna Holm.",
    "In 1931 a storm destroyed the lighthouse.\nThe new lighthouse was finished in 1934 and cost 12,000 crowns.\n"
    "It is 41 metres tall.",
)
REPORT = ("青石湾港务公司2020年年度报告。\n公司2020年的营业收入是3.2亿元。\n公司董事长是王小明。",)


def harbour_pdfs(folder: Path) -> Path:
    """A folder of both; one has its ending in capitals."""
    make_pdf(folder / "harbour.PDF", HARBOUR, title="A short history of Almond Bay")
    make_pdf(folder / "report.pdf", REPORT)
    return folder
