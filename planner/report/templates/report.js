"use strict";
// Shows another typical day in the place of the tide.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const table = ({ columns, numeric, rows }) => {
    const rowOf = (tag, cells) => {
      const row = document.createElement("tr");
      cells.forEach((text, i) => {
        const cell = document.createElement(tag);
        cell.textContent = text;
        if (numeric[i]) cell.className = "n";
        row.append(cell);
      });
      return row;
    };
    const out = document.createElement("table");
    out.createTHead().append(rowOf("th", columns));
    out.createTBody().append(...rows.map((cells) => rowOf("td", cells)));
    return out;
  };

  for (const choice of document.querySelectorAll("[data-choice]")) {
    choice.addEventListener("change", () => {
      for (const place of choice.closest("section").querySelectorAll("[data-picture]")) {
        const slot = place.dataset.picture;
        const chart = charts[`${slot}-${choice.value}`];
        place.innerHTML = chart.picture; // made by the planner: every text in it is escaped
        document.querySelector(`[data-title="${slot}"]`).textContent = chart.title;
        document.querySelector(`[data-table="${slot}"] .scroll`).replaceChildren(table(chart.table));
      }
    });
  }
})();
