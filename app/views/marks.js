if (!window.pagewiseMarks) {
  window.pagewiseMarks = true;
  // A mark in the text presses the button of its citation, and waits for it where the page is still being drawn.
  function press(key, tries) {
    const button = document.querySelector(".st-key-" + CSS.escape(key) + " button");
    if (button && !button.disabled) button.click();
    else if (tries) setTimeout(press, 100, key, tries - 1);
  }
  document.addEventListener("click", function (event) {
    const mark = event.target.closest && event.target.closest('a[href^="#cite-"]');
    if (!mark) return;
    event.preventDefault();
    press(mark.getAttribute("href").slice(1), 50);
  }, true);
  // A mark that was pressed before this script was there has only put its name into the address.
  if (location.hash.startsWith("#cite-")) {
    press(location.hash.slice(1), 50);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
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
