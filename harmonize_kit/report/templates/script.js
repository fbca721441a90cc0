"use strict";

// The page reads well without this: it lets the feature table be sorted and filtered, and opens
// the numbers behind the figures for printing.
(function () {
  const table = document.querySelector("#feature-table table");
  if (table) {
    sortable(table);
    filterable(table);
  }
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

  function sortable(table) {
    const headings = table.tHead.rows[table.tHead.rows.length - 1].cells;
    Array.from(headings).forEach(function (heading, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", function () {
        const falling = heading.getAttribute("aria-sort") === "ascending" ||
          (column > 0 && !heading.hasAttribute("aria-sort"));
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
        order(table.tBodies[0], column, falling);
      });
    });
  }

  // Rows without a number stay at the end whichever way the others run.
  function order(body, column, falling) {
    const rows = Array.from(body.rows, function (row) {
      const cell = row.cells[column];
      return { row: row, key: column ? parseFloat(cell.dataset.v) : cell.textContent };
    });
    rows.sort(function (a, b) {
      if (!column) return (falling ? -1 : 1) * a.key.localeCompare(b.key);
      if (isNaN(a.key) || isNaN(b.key)) return isNaN(a.key) - isNaN(b.key);
      return falling ? b.key - a.key : a.key - b.key;
    });
    body.append(...rows.map(function (item) { return item.row; }));
  }

  function filterable(table) {
    const field = document.getElementById("filter");
    const count = document.getElementById("count");
    const rows = Array.from(table.tBodies[0].rows);
    function apply() {
      const wanted = field.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = shown + " of " + rows.length + " shown";
    }
    field.closest("p").hidden = false;
    field.addEventListener("input", apply);
    apply();
  }
})();
