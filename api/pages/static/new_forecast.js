// The form of a new forecast: a history, stored or uploaded, and how far ahead.
import { call, problemPanel } from "./call.js";
import { demandOf } from "./demand.js";
import { say } from "./words.js";

const form = document.querySelector("[data-new-forecast]");
const find = (name) => form.querySelector(`[data-${name}]`);
const tell = (message) => { find("said").textContent = message; };

const changed = () => {
  const upload = form.elements.demand.value === "upload";
  form.querySelectorAll("[data-upload]").forEach((part) => { part.hidden = !upload; });
  find("weeks").hidden = form.elements.case.value !== "";
};

const submit = async () => {
  const { history_id } = await demandOf(form, "", tell);
  tell(say("js_asking"));
  const caseId = form.elements.case.value;
  const span = caseId ? { case_id: caseId } : { weeks: Number(form.elements.weeks.value) };
  const name = form.elements.name.value.trim();
  const accepted = await call("POST", "/v1/forecasts", { body: { history_id, name, ...span } });
  location.href = `/forecasts/${accepted.id}`;
};

form.elements.demand.addEventListener("change", changed);
form.elements.case.addEventListener("change", changed);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!form.reportValidity()) return;
  const button = form.querySelector('[type="submit"]');
  button.disabled = true;
  find("problem").replaceChildren();
  try {
    await submit();
  } catch (fault) {
    find("problem").replaceChildren(problemPanel(fault));
    find("problem").firstElementChild.focus();
  }
  tell("");
  button.disabled = false;
});
changed();
