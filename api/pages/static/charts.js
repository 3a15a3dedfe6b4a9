// Draws charts when they come into view, in the reader's light or dark colours; swaps the one that a choice names.
import { call, titleOf } from "./call.js";
import { element, grid } from "./element.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 640px)");
const drawn = new Map(); // box → chart

const themed = (layout) => {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const out = { ...layout, font: { ...layout.font, color: colour("--ink") } };
  out.hoverlabel = { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } };
  for (const key of Object.keys(out).filter((name) => /^[xy]axis/.test(name))) {
    out[key] = { ...out[key], gridcolor: colour("--line"), linecolor: colour("--line") };
  }
  if (narrow.matches) {
    out.margin = { ...out.margin, l: 8, r: 8 };
    out.font.size = 11;
    out.dragmode = false; // a finger scrolls the page
  }
  return out;
};

const show = (box, chart) => {
  drawn.set(box, chart);
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  return window.Plotly.react(box, chart.figure.data, themed(chart.figure.layout), config);
};

const load = async (box) => {
  const wanted = box.dataset.chart;
  try {
    const chart = await call("GET", box.dataset.base + encodeURIComponent(wanted));
    if (box.dataset.chart !== wanted) return; // another one was chosen meanwhile
    const figure = box.closest("figure");
    figure.querySelector(".chart-title").textContent = chart.title;
    figure.querySelector("figcaption").textContent = chart.note;
    figure.querySelector(".as-table .scroll").replaceChildren(grid(chart.table));
    box.setAttribute("aria-label", chart.title);
    await show(box, chart);
  } catch (fault) {
    box.replaceChildren(element("p", { class: "failed" }, fault.problem ? titleOf(fault.problem) : String(fault)));
  }
};

const watch = new IntersectionObserver(
  (seen) => {
    for (const entry of seen.filter((one) => one.isIntersecting)) {
      watch.unobserve(entry.target);
      load(entry.target);
    }
  },
  { rootMargin: "600px" },
);

const redraw = () => drawn.forEach((chart, box) => show(box, chart));
dark.addEventListener("change", redraw);
narrow.addEventListener("change", redraw);

const lines = (geometry) => {
  if (!geometry) return [];
  const parts = geometry.geometries ?? [];
  const deep = { LineString: [geometry.coordinates], MultiLineString: geometry.coordinates, Polygon: geometry.coordinates };
  const own = geometry.type === "MultiPolygon" ? geometry.coordinates.flat() : (deep[geometry.type] ?? []);
  return [...own, ...parts.flatMap(lines)];
};

/** Lay an operator's own GeoJSON over a chart of longitude and latitude; the file stays in the browser. */
const overlay = async (input) => {
  const box = input.closest("section").querySelector(`[data-slot="${input.dataset.overlay}"] .plot`);
  const chart = drawn.get(box);
  if (!chart || !input.files.length) return;
  input.setCustomValidity("");
  try {
    const found = JSON.parse(await input.files[0].text());
    const drawnLines = (found.features ?? [found]).flatMap((one) => lines(one.geometry ?? one));
    const x = drawnLines.flatMap((line) => [...line.map((point) => point[0]), null]);
    const y = drawnLines.flatMap((line) => [...line.map((point) => point[1]), null]);
    const trace = { x, y, mode: "lines", line: { color: "#8A8F98", width: 1 }, hoverinfo: "skip", showlegend: false };
    const data = [trace, ...chart.figure.data.filter((one) => !one.overlay)];
    await show(box, { ...chart, figure: { ...chart.figure, data } });
  } catch (fault) {
    input.setCustomValidity(String(fault));
    input.reportValidity();
  }
};

/** Bring the charts, choices and overlays below `root` to life. */
export const charts = (root) => {
  root.querySelectorAll(".plot").forEach((box) => watch.observe(box));
  for (const choice of root.querySelectorAll("[data-choice]")) {
    choice.addEventListener("change", () => {
      for (const figure of choice.closest("section").querySelectorAll("figure")) {
        const box = figure.querySelector(".plot");
        watch.unobserve(box);
        box.dataset.chart = `${figure.dataset.slot}-${choice.value}`;
        load(box);
      }
    });
  }
  for (const input of root.querySelectorAll("[data-overlay]")) input.addEventListener("change", () => overlay(input));
};
