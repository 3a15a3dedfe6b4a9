// Questions about a plan: asked of the service, followed while it solves again, answered by a part of a page.
import { call, Problem, problemPanel } from "./call.js";
import { element } from "./element.js";
import { ended } from "./ended.js";
import { besideFields } from "./fields.js";
import { say } from "./words.js";

/** Levers that differ from the case, and for each the field in which it stands. */
const leversOf = (fields) => {
  const out = [];
  const share = (name) => (fields[name] ? Number(fields[name].value) / 100 : 1);
  const add = (name, lever) => out.push([name, lever]);
  if (share("price") !== 1) add("price", { kind: "hardware_price", factor: share("price") });
  if (share("tariff") !== 1) add("tariff", { kind: "tariff", factor: share("tariff") });
  if (fields.site.value && Number(fields.mw.value)) {
    add("mw", { kind: "site_power", site: fields.site.value, mw: Number(fields.mw.value) });
  }
  if (Number(fields.lead?.value)) add("lead", { kind: "lead_time", periods: Number(fields.lead.value) });
  if (share("budget") !== 1) add("budget", { kind: "budget", factor: share("budget") });
  if (fields.risk?.value) add("risk", { kind: "caution", weight: Number(fields.risk.value) });
  return out;
};

const demandOf = ({ multiplier, growth, workload, of }) => ({
  multiplier: Number(multiplier.value) / 100,
  growth: Number(growth.value) / 100,
  ...(workload.value && { of: { [workload.value]: Number(of.value) / 100 } }),
});

/** By form: what is asked, and the field of a pointer into it. */
const FORMS = {
  what_if: (fields) => {
    const levers = leversOf(fields);
    const body = { kind: "what_if", levers: levers.map(([, lever]) => lever), demand: demandOf(fields) };
    const place = (pointer) => {
      const [, block, name] = pointer.split("/");
      return block === "levers" ? levers[Number(name)]?.[0] ?? "growth" : block === "demand" ? name : block;
    };
    return [body, place];
  },
  why_not: ({ sense, decision, modules, site, module_type: kind, period }) => [
    {
      sense: sense.value,
      ...(decision && { decision: decision.value }),
      modules: Number(modules.value),
      ...(site.value && { site: site.value }),
      ...(kind.value && { module_type: kind.value }),
      ...(period.value && { period: Number(period.value) }),
    },
    (pointer) => pointer.split("/")[1],
  ],
  kind: ({ kind }) => [{ kind: kind.value }, (pointer) => pointer.split("/")[1]],
};

export const question = (form) => {
  const place = form.parentElement.querySelector("[data-answer]");
  const tell = (text) => { form.querySelector("[data-said]").textContent = text; };
  form.querySelector("button").disabled = false; // a click before this would do nothing
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    const button = form.querySelector("button");
    const [body, at] = FORMS[form.dataset.question](form.elements);
    const fieldOf = (pointer) => (pointer.startsWith("/limits/") ? pointer.split("/")[2] : at(pointer));
    button.disabled = true;
    place.replaceChildren();
    besideFields(form);
    try {
      const limits = { seconds: Number(form.elements.seconds.value) };
      const asked = await call("POST", form.dataset.to, { body: { ...body, limits } });
      const run = await ended(asked.links, tell);
      if (run.state !== "finished") throw new Problem(run.problem ?? { title: say(`state_${run.state}`) });
      place.innerHTML = await call("GET", `/questions/${run.id}/content`); // our own template: its texts are escaped
      place.querySelectorAll("[data-make-plan]").forEach(makePlan);
    } catch (fault) {
      if (!besideFields(form, fault, fieldOf)) place.replaceChildren(problemPanel(fault));
    }
    tell("");
    button.disabled = false;
  });
};

/** A button that makes the world of an answer a plan of its own. */
export const makePlan = (button) => {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const plan = await call("POST", button.dataset.makePlan, { body: { name: button.dataset.name } });
      location.href = `/plans/${plan.id}`;
    } catch (fault) {
      button.disabled = false;
      button.closest("p").after(element("div", {}, problemPanel(fault)));
    }
  });
};
