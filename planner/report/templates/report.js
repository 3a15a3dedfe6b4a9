"use strict";
// Draws the charts when they come into view, in the reader's light or dark colours, and swaps the tide's day.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim();
    const line = style.getPropertyValue("--line").trim();
    const out = { ...layout, font: { ...layout.font, color: ink } };
    out.hoverlabel = { bgcolor: style.getPropertyValue("--panel").trim(), bordercolor: line, font: { color: ink } };
    for (const key of Object.keys(out)) {
      if (/^[xy]axis/.test(key)) out[key] = { ...out[key], gridcolor: line, linecolor: line };
    }
    if (narrow.matches) {
      out.margin = { ...out.margin, l: 8, r: 8 };
      out.font.size = 11;
    }
    return out;
  };

  const draw = (box) => {
    const chart = charts[box.dataset.chart];
    box.dataset.drawn = "1";
    return Plotly.react(box, chart.figure.data, themed(chart.figure.layout), { ...config, displayModeBar: narrow.matches ? false : "hover" });
  };

  const boxes = [...document.querySelectorAll(".plot")];
  const watch = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      if (entry.isIntersecting) {
        watch.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "600px" });
  boxes.forEach((box) => watch.observe(box));
  const redraw = () => boxes.filter((box) => box.dataset.drawn).forEach(draw);
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
  addEventListener("beforeprint", () => boxes.forEach(draw));

  const table = (data) => {
    const cell = (tag, text, numeric) => {
      const node = document.createElement(tag);
      node.textContent = text;
      if (numeric) node.className = "n";
      return node;
    };
    const rowOf = (tag, cells) => {
      const row = document.createElement("tr");
      cells.forEach((text, i) => row.append(cell(tag, text, data.numeric[i])));
      return row;
    };
    const out = document.createElement("table");
    const head = document.createElement("thead");
    const body = document.createElement("tbody");
    head.append(rowOf("th", data.columns));
    data.rows.forEach((cells) => body.append(rowOf("td", cells)));
    out.append(head, body);
    return out;
  };

  for (const choice of document.querySelectorAll("[data-choice]")) {
    choice.addEventListener("change", () => {
      for (const box of choice.closest("section").querySelectorAll(".plot")) {
        const slot = box.id.slice("plot-".length);
        box.dataset.chart = `${slot}-${choice.value}`;
        const chart = charts[box.dataset.chart];
        document.querySelector(`[data-title="${slot}"]`).textContent = chart.title;
        box.setAttribute("aria-label", chart.title);
        document.querySelector(`[data-table="${slot}"] .scroll`).replaceChildren(table(chart.table));
        draw(box);
      }
    });
  }
})();
