// "Why not site X?": asked of the service, followed while it solves again, answered in words and two tables.
import { call, Problem, problemPanel, titleOf } from "./call.js";
import { element, grid, scrolling } from "./element.js";
import { ended } from "./ended.js";
import { money } from "./format.js";
import { chinese, say } from "./words.js";

const sentence = (found, currency) => {
  const values = { question: chinese ? found.question_zh : found.question };
  if (!found.possible) return say("js_why_impossible", values);
  if (found.already) return say("js_why_already", values);
  const [cost, least, most] = [found.cost, found.least, found.most].map((value) => money(value, currency));
  if (found.least > 0) return say("js_why_dearer", { ...values, cost, least, most });
  if (found.most < 0) return say("js_why_cheaper", { ...values, cost: money(-found.cost, currency), least, most });
  return say("js_why_unclear", { ...values, cost, least, most });
};

const nameOf = (select, id) => [...select.options].find((option) => option.value === String(id))?.textContent ?? id;

const tables = (found, form) => {
  const terms = JSON.parse(form.dataset.terms);
  const moved = Object.entries(found.by_term)
    .filter(([, value]) => Math.abs(value) >= 1)
    .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    .map(([term, value]) => [terms[term] ?? term, `${value > 0 ? "+" : ""}${money(value, form.dataset.currency)}`]);
  const { site, module_type: kind, period } = form.elements;
  const orders = found.orders.map((row) => [
    nameOf(site, row.site), nameOf(kind, row.module_type), nameOf(period, row.arrival_period), `${row.before}`, `${row.after}`,
  ]);
  const gone = found.departures.map((row) => [
    nameOf(site, row.site), nameOf(kind, row.module_type), row.to_site ? nameOf(site, row.to_site) : "–", nameOf(period, row.period), `${row.before}`, `${row.after}`,
  ]);
  const shown = (title, columns, rows) =>
    rows.length
      ? [element("h3", {}, title), scrolling(title, grid({ columns: columns.map(([name, numeric]) => ({ name: say(name), numeric })), rows }))]
      : [];
  return [
    ...shown(say("js_why_terms"), [["js_term"], ["js_change", true]], moved),
    ...shown(say(found.interchangeable ? "js_why_alike" : "js_why_orders"), [["js_site"], ["js_type"], ["js_arrival"], ["js_before", true], ["js_after", true]], orders),
    ...shown(say("js_why_leaving"), [["js_site"], ["js_type"], ["js_moved_to"], ["js_leaving"], ["js_before", true], ["js_after", true]], gone),
  ];
};

const question = ({ elements }) => ({
  sense: elements.sense.value,
  modules: Number(elements.modules.value),
  ...(elements.decision && { decision: elements.decision.value }),
  ...(elements.site.value && { site: elements.site.value }),
  ...(elements.module_type.value && { module_type: elements.module_type.value }),
  ...(elements.period.value && { period: Number(elements.period.value) }),
  limits: { seconds: Number(elements.seconds.value) },
});

export const whyNot = (form) => {
  const place = form.parentElement.querySelector("[data-answer]");
  const tell = (text) => { form.querySelector("[data-said]").textContent = text; };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    const button = form.querySelector("button");
    button.disabled = true;
    place.replaceChildren();
    try {
      const asked = await call("POST", form.dataset.whyNot, { body: question(form) });
      const run = await ended(asked.links, tell);
      if (run.state !== "finished") throw new Problem(run.problem ?? { title: say(`state_${run.state}`) });
      const found = run.summary;
      const reasons = (chinese ? found.impossible_zh : found.impossible).map((text) => element("li", {}, text));
      place.replaceChildren(
        element("p", { class: "answer" }, sentence(found, form.dataset.currency)),
        ...(reasons.length ? [element("ul", { class: "reasons" }, ...reasons)] : []),
        ...tables(found, form),
      );
    } catch (fault) {
      place.replaceChildren(fault.problem ? problemPanel(fault) : element("p", {}, titleOf({ title: String(fault) })));
    }
    tell("");
    button.disabled = false;
  });
};
