// Swaps the chart that a choice names; lays an operator's own map over the sites.
import { call, titleOf } from "./call.js";
import { element, grid } from "./element.js";

const load = async (place) => {
  const wanted = place.dataset.chart;
  try {
    const chart = await call("GET", place.dataset.base + encodeURIComponent(wanted));
    if (place.dataset.chart !== wanted) return; // another one was chosen meanwhile
    const figure = place.closest("figure");
    figure.querySelector(".chart-title").textContent = chart.title;
    figure.querySelector(".note").textContent = chart.note;
    figure.querySelector(".as-table .scroll").replaceChildren(grid(chart.table));
    place.innerHTML = chart.picture; // made by the planner: every text in it is escaped
  } catch (fault) {
    place.replaceChildren(element("p", { class: "failed" }, fault.problem ? titleOf(fault.problem) : String(fault)));
  }
};

const lines = (geometry) => {
  if (!geometry) return [];
  const parts = geometry.geometries ?? [];
  const deep = { LineString: [geometry.coordinates], MultiLineString: geometry.coordinates, Polygon: geometry.coordinates };
  const own = geometry.type === "MultiPolygon" ? geometry.coordinates.flat() : (deep[geometry.type] ?? []);
  return [...own, ...parts.flatMap(lines)];
};

/** Lay an operator's own GeoJSON under the points of a map; the file stays in the browser. */
const overlay = async (input) => {
  const box = input.closest("section").querySelector(`[data-slot="${input.dataset.overlay}"] .picture`);
  if (!box || !input.files.length) return;
  input.setCustomValidity("");
  try {
    const found = JSON.parse(await input.files[0].text());
    const drawn = (found.features ?? [found]).flatMap((one) => lines(one.geometry ?? one));
    box.querySelectorAll("svg").forEach((svg, i) => {
      const [x0, y0, east, north] = JSON.parse(box.dataset.tips).axes[i];
      const d = drawn.map((line) => `M${line.map(([x, y]) => `${(x0 + x * east).toFixed(1)} ${(y0 + y * north).toFixed(1)}`).join("L")}`);
      svg.querySelector(".overlay")?.remove();
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      for (const [name, value] of Object.entries({ class: "overlay", d: d.join(""), fill: "none", stroke: "#8A8F98" })) {
        path.setAttribute(name, value);
      }
      svg.prepend(path);
    });
  } catch (fault) {
    input.setCustomValidity(String(fault));
    input.reportValidity();
  }
};

/** Bring the choices and overlays below `root` to life. */
export const charts = (root) => {
  for (const choice of root.querySelectorAll("[data-choice]")) {
    choice.addEventListener("change", () => {
      for (const figure of choice.closest("section").querySelectorAll("figure")) {
        const place = figure.querySelector(".place");
        place.dataset.chart = `${figure.dataset.slot}-${choice.value}`;
        load(place);
      }
    });
  }
  for (const input of root.querySelectorAll("[data-overlay]")) input.addEventListener("change", () => overlay(input));
};
