if (!window.pagewiseMarks) {
  window.pagewiseMarks = true;
  document.addEventListener("click", function (event) {
    const mark = event.target.closest && event.target.closest('a[href^="#cite-"]');
    if (!mark) return;
    event.preventDefault();
    const button = document.querySelector(".st-key-" + CSS.escape(mark.getAttribute("href").slice(1)) + " button");
    if (button) button.click();
  }, true);
}
