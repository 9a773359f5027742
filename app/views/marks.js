if (!window.pagewiseMarks) {
  window.pagewiseMarks = true;
  // A mark in the text presses the button of its citation.
  document.addEventListener("click", function (event) {
    const mark = event.target.closest && event.target.closest('a[href^="#cite-"]');
    if (!mark) return;
    event.preventDefault();
    const button = document.querySelector(".st-key-" + CSS.escape(mark.getAttribute("href").slice(1)) + " button");
    if (button) button.click();
  }, true);
  // A question that was just asked comes into view, once.
  let last = "";
  new MutationObserver(function () {
    const live = document.querySelector('[class*="st-key-live-"]');
    const name = live ? live.className.match(/st-key-live-\w+/)[0] : last;
    if (name === last) return;
    last = name;
    const messages = document.querySelectorAll('[data-testid="stChatMessage"]');
    const question = messages[messages.length - 2];
    if (question) question.scrollIntoView({ block: "start" });
  }).observe(document.body, { childList: true, subtree: true });
}
