// An hourly demand against the plan's orders: uploaded, followed while it is dispatched, answered with a chart.
import { call, Problem, problemPanel, titleOf } from "./call.js";
import { charts } from "./charts.js";
import { element } from "./element.js";
import { ended } from "./ended.js";
import { say } from "./words.js";

const RAW = { "Content-Type": "application/octet-stream" };

export const replay = (form) => {
  const place = form.parentElement.querySelector("[data-answer]");
  const tell = (text) => { form.querySelector("[data-said]").textContent = text; };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    const button = form.querySelector("button");
    button.disabled = true;
    place.replaceChildren();
    try {
      const asked = await call("POST", form.dataset.replay, { body: form.elements.demand.files[0], headers: RAW });
      const run = await ended(asked.links, tell);
      if (run.state !== "finished") throw new Problem(run.problem ?? { title: say(`state_${run.state}`) });
      place.innerHTML = await call("GET", `/replays/${run.id}/content`); // our own template: its texts are escaped
      charts(place);
    } catch (fault) {
      place.replaceChildren(fault.problem ? problemPanel(fault) : element("p", {}, titleOf({ title: String(fault) })));
    }
    tell("");
    button.disabled = false;
  });
};
