"""Makes pagewise.pdf from sample.html, with a Chromium and the fonts of the machine (embedded, only the letters used).

.venv/bin/python -m app.sample.make
"""

from pathlib import Path

from playwright.sync_api import sync_playwright
from pypdf import PdfWriter

HERE = Path(__file__).parent
PDF = HERE / "pagewise.pdf"
CHROMIUM = "/usr/bin/chromium"


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto((HERE / "sample.html").as_uri())
        page.pdf(path=PDF, prefer_css_page_size=True, tagged=False)
        browser.close()
    writer = PdfWriter(clone_from=PDF)
    writer.metadata = {"/Title": "Pagewise in four pages", "/Author": "Pagewise"}  # not the browser that drew it
    writer.write(PDF)


if __name__ == "__main__":
    main()
