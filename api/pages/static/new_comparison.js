// The form of a new comparison: scenarios on the case and demand of a plan.
import { call, Problem, problemPanel } from "./call.js";
import { say } from "./words.js";

const form = document.querySelector("[data-new-comparison]");

const ratios = () =>
  form.elements.ratios.value.split(/[\s,，、;]+/).filter(Boolean).map((text) => {
    const ratio = Number(text);
    return { id: `ratio-${text}`, names: { en: `Ahead (${text})`, zh: `超前（${text}）` }, rule: { kind: "ratio", ratio } };
  });

const own = () => {
  const text = form.elements.own.value.trim();
  if (!text) return [];
  try {
    return [JSON.parse(text)].flat();
  } catch (fault) {
    const error = { pointer: say("js_own_scenarios"), found: fault.message, allowed: say("js_json_list") };
    throw new Problem({ type: "/problems/invalid-request", errors: [error] });
  }
};

const scenarios = () => {
  const standard = [...form.querySelectorAll('[name="scenario"]:checked')].map((box) => JSON.parse(box.dataset.scenario));
  const known = new Set(standard.map((one) => one.id));
  return [...standard, ...ratios().filter((one) => !known.has(one.id)), ...own()];
};

const submit = async () => {
  const plan = JSON.parse(form.elements.plan.selectedOptions[0].dataset.asked);
  const demand = Object.fromEntries(["case_id", "history_id", "forecast_id"].filter((k) => plan[k]).map((k) => [k, plan[k]]));
  const accepted = await call("POST", "/v1/comparisons", {
    body: {
      ...demand,
      ...(plan.forecast && { forecast: plan.forecast }),
      name: form.elements.name.value.trim(),
      scenarios: scenarios(),
      evaluation_futures: Number(form.elements.futures.value),
      limits: { gap: Number(form.elements.gap.value) / 100, seconds: Number(form.elements.seconds.value) },
    },
  });
  location.href = `/comparisons/${accepted.id}`;
};

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!form.reportValidity()) return;
  const button = form.querySelector('[type="submit"]');
  const place = form.querySelector("[data-problem]");
  button.disabled = true;
  form.querySelector("[data-said]").textContent = say("js_asking");
  place.replaceChildren();
  try {
    await submit();
  } catch (fault) {
    place.replaceChildren(problemPanel(fault));
    place.firstElementChild.focus();
  }
  form.querySelector("[data-said]").textContent = "";
  button.disabled = false;
});
