"use strict";

// The page reads well without this: it lets tables be sorted and filtered, and opens what is
// folded for printing.
(function () {
  for (const table of document.querySelectorAll("table.sort")) sortable(table);
  for (const line of document.querySelectorAll(".filter:not(.choose)")) filterable(line);
  for (const line of document.querySelectorAll(".choose")) choosable(line);

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
      button.append(...heading.childNodes);
      heading.replaceChildren(button);
      button.addEventListener("click", function () {
        const falling = heading.getAttribute("aria-sort") === "ascending" ||
          (column > 0 && !heading.hasAttribute("aria-sort"));
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
        order(table.tBodies[0], column, falling ? -1 : 1);
      });
    });
  }

  // Rows without a number stay at the end whichever way the others run.
  function order(body, column, way) {
    const rows = Array.from(body.rows, function (row) {
      const cell = row.cells[column];
      return { row: row, number: parseFloat(cell.dataset.v), text: cell.textContent };
    });
    const numbers = rows.some(function (item) { return !isNaN(item.number); });
    rows.sort(function (a, b) {
      if (!numbers) return way * a.text.localeCompare(b.text, undefined, { numeric: true });
      if (isNaN(a.number) || isNaN(b.number)) return isNaN(a.number) - isNaN(b.number);
      return way * (a.number - b.number);
    });
    body.append(...rows.map(function (item) { return item.row; }));
  }

  // One group of columns is shown at a time; the first column stays.
  function choosable(line) {
    const field = line.querySelector("select");
    const table = document.querySelector("#" + line.dataset.for + " table");
    const [groups, names] = table.tHead.rows;
    function apply() {
      const chosen = parseInt(field.value, 10);
      let start = 0;
      Array.from(groups.cells).forEach(function (group, number) {
        const hidden = number > 0 && chosen > 0 && number !== chosen;
        group.hidden = hidden;
        for (const row of [names, ...table.tBodies[0].rows]) {
          for (let place = start; place < start + group.colSpan; place++) {
            row.cells[place].hidden = hidden;
          }
        }
        start += group.colSpan;
      });
    }
    line.hidden = false;
    field.addEventListener("change", apply);
    apply();
  }

  function filterable(line) {
    const field = line.querySelector("input");
    const count = line.querySelector("output");
    const bodies = document.querySelectorAll("#" + line.dataset.for + " tbody");
    function apply() {
      const wanted = field.value.trim().toLowerCase();
      let shown = 0;
      let all = 0;
      for (const body of bodies) {
        const rows = body.querySelectorAll("tr:not(.part)");
        let here = 0;
        for (const row of rows) {
          row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
          here += row.hidden ? 0 : 1;
        }
        body.hidden = here === 0;
        shown += here;
        all += rows.length;
      }
      count.textContent = shown + " of " + all + " shown";
    }
    line.hidden = false;
    field.addEventListener("input", apply);
    apply();
  }
})();
