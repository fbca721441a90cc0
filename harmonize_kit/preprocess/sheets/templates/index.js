"use strict";

// Without this the page is a grid of links. With it cases are found, sorted and paged through.
(function () {
  const list = document.querySelector(".cards");
  const cards = Array.from(list.children);
  const find = document.getElementById("find");
  const sort = document.getElementById("sort");
  const flagged = document.getElementById("flagged");
  const count = document.getElementById("count");
  const cases = document.getElementById("cases");
  const viewer = document.getElementById("viewer");
  const frame = document.getElementById("sheet");
  const viewed = document.getElementById("viewed");
  let current = null;

  const orders = {
    cohort: function (a, b) { return a.dataset.place - b.dataset.place; },
    id: function (a, b) {
      return a.dataset.id.localeCompare(b.dataset.id, undefined, { numeric: true });
    },
    flags: function (a, b) { return b.dataset.flags - a.dataset.flags || orders.cohort(a, b); },
  };

  document.getElementById("choose").hidden = false;
  document.querySelector(".keys").hidden = false;
  find.addEventListener("input", apply);
  flagged.addEventListener("change", apply);
  sort.addEventListener("change", function () {
    cards.sort(orders[sort.value]);
    list.append(...cards);
  });
  apply();

  function apply() {
    const wanted = find.value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards) {
      card.hidden = !card.dataset.id.toLowerCase().includes(wanted) ||
        (flagged.checked && card.dataset.flags === "0");
      shown += card.hidden ? 0 : 1;
    }
    count.textContent = shown + " of " + cards.length + " shown";
  }

  function link(card) { return card.querySelector(":scope > a"); }

  function open(card) {
    current = card;
    // A fresh frame each time: the history of the browser stays that of the index.
    frame.contentWindow.location.replace(link(card).href);
    const pages = pageable();
    viewed.textContent = card.dataset.id + " (" + (pages.indexOf(card) + 1) + " of " +
      pages.length + ")";
    if (viewer.hidden) {
      viewer.hidden = false;
      cases.inert = true;
      document.getElementById("next").focus();
    }
  }

  function close() {
    viewer.hidden = true;
    cases.inert = false;
    link(current).focus();
  }

  function pageable() {
    return cards.filter(function (card) { return !card.hidden && link(card); });
  }

  function turn(step) {
    const pages = pageable();
    const place = pages.indexOf(current) + step;
    if (place >= 0 && place < pages.length) open(pages[place]);
  }

  function act(key) {
    if (key === "ArrowLeft") turn(-1);
    else if (key === "ArrowRight") turn(1);
    else if (key === "Escape") close();
    else return false;
    return true;
  }

  // Between cards the arrows move the focus; in the viewer they turn the page.
  function move(step) {
    const pages = pageable();
    const here = pages.findIndex(function (card) { return link(card) === document.activeElement; });
    const place = here < 0 ? (step > 0 ? 0 : pages.length - 1) : here + step;
    if (pages[place]) link(pages[place]).focus();
  }

  list.addEventListener("click", function (event) {
    const anchor = event.target.closest(".cards > li > a");
    if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(anchor.parentElement);
  });
  document.getElementById("previous").addEventListener("click", function () { turn(-1); });
  document.getElementById("next").addEventListener("click", function () { turn(1); });
  document.getElementById("close").addEventListener("click", close);
  window.addEventListener("keydown", function (event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!viewer.hidden) {
      if (act(event.key)) event.preventDefault();
    } else if (!event.target.closest("input, select") &&
               (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      move(event.key === "ArrowRight" ? 1 : -1);
      event.preventDefault();
    }
  });
  window.addEventListener("message", function (event) {
    if (event.source === frame.contentWindow && !viewer.hidden && event.data) act(event.data.key);
  });
})();
