"use strict";

// The sheet reads well without this: it opens what is folded for printing, and passes the keys of
// the index page on to it.
(function () {
  const closed = [];
  window.addEventListener("beforeprint", function () {
    for (const part of document.querySelectorAll("details:not([open])")) {
      part.open = true;
      closed.push(part);
    }
  });
  window.addEventListener("afterprint", function () {
    while (closed.length) closed.pop().open = false;
  });
  if (window.parent !== window) {
    window.addEventListener("keydown", function (event) {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (["ArrowLeft", "ArrowRight", "Escape"].includes(event.key)) {
        window.parent.postMessage({ key: event.key }, "*");
        event.preventDefault();
      }
    });
  }
})();
