// The form of a new plan: fills in the case that it starts from, checks it, stores case and history, asks for the plan.
import { call, Problem, problemPanel } from "./call.js";
import { caretLine, jumpTo } from "./editor.js";
import { demandOf, exampleHistory } from "./demand.js";
import { element } from "./element.js";
import { besideFields } from "./fields.js";
import { chinese, say } from "./words.js";

const FIELDS = {
  "/name": "name", "/limits/gap": "gap", "/limits/seconds": "seconds", "/history_id": "demand", "/forecast_id": "demand",
};
const form = document.querySelector("[data-new-plan]");
const text = form.elements.case;
const find = (name) => form.querySelector(`[data-${name}]`);
const tell = (message) => { find("said").textContent = message; };
const start = () => form.querySelector('[name="start"]:checked');

const jump = (line) => {
  find("case-text").open = true;
  jumpTo(text, line);
};

const complain = (fault) => {
  const panel = problemPanel(fault, jump);
  find("problem").replaceChildren(panel);
  panel.focus();
  panel.scrollIntoView({ block: "nearest" });
};

/** No plan may be asked for while its case is still being read. */
const ready = (yes) => form.querySelectorAll("button").forEach((button) => { button.disabled = !yes; });

/** Show what fits the place that the plan starts from, and fetch its case. */
const begin = async () => {
  const { value, dataset } = start();
  find("case-file").hidden = value !== "upload";
  for (const option of form.elements.demand.options) {
    const fits = !option.dataset.for || option.dataset.for.split(" ").includes(value);
    option.hidden = option.disabled = !fits;
  }
  const first = [...form.elements.demand.options].find((option) => !option.disabled && option.dataset.for);
  form.elements.demand.value = first.value;
  demandChanged();
  find("checked").replaceChildren();
  find("problem").replaceChildren();
  text.value = "";
  text.disabled = value !== "upload";
  ready(value === "upload");
  if (value === "upload") return;
  if (first.value === "example") exampleHistory(value);
  const address = value === "copy" ? `/drafts/plans/${dataset.id}/case` : `/drafts/examples/${value}/case`;
  tell(say("js_reading_case"));
  try {
    text.value = await call("GET", address);
    tell("");
  } catch (fault) {
    tell("");
    complain(fault);
  }
  text.disabled = false;
  ready(true);
};

const demandChanged = () => {
  const upload = form.elements.demand.value === "upload";
  form.querySelectorAll("[data-upload]").forEach((part) => { part.hidden = !upload; });
};

const check = async () => {
  find("checked").textContent = say("js_checking");
  const found = await call("POST", "/drafts/check", { body: text.value, headers: { "Content-Type": "application/yaml" } });
  if (found.ok) {
    find("checked").textContent = say("js_case_good", { name: found.name });
    find("problem").replaceChildren(...(found.warnings.length ? [oddNumbers(found.warnings)] : []));
  } else {
    find("checked").textContent = "";
    complain(new Problem({ type: "/problems/invalid-case", errors: found.errors }));
  }
  return found;
};

const oddNumbers = (warnings) => {
  const lines = warnings.map((one) => {
    const place = element("button", { type: "button", class: "linklike" }, `${say("js_line", { line: one.line })} · ${one.pointer}`);
    place.addEventListener("click", () => jump(one.line));
    const told = chinese ? { found: one.found_zh, usual: one.usual_zh } : { found: one.found, usual: one.usual };
    return element("li", {}, place, ` ${say("js_odd", told)}`);
  });
  return element("section", { class: "panel" }, element("h2", {}, say("js_odd_numbers")), element("ul", {}, ...lines));
};

const guarded = (work) => async (event) => {
  event?.preventDefault();
  ready(false);
  find("problem").replaceChildren();
  try {
    besideFields(form);
    await work();
  } catch (fault) {
    if (!besideFields(form, fault, (pointer) => FIELDS[pointer])) complain(fault);
    tell("");
    find("checked").textContent = "";
  }
  ready(true);
};

const submit = async () => {
  if (!form.reportValidity()) return;
  const found = await check();
  if (!found.ok) return;
  const [demandOption] = form.elements.demand.selectedOptions;
  const demand = await demandOf(form, start().value, tell);
  tell(say("js_storing_case"));
  const stored = await call("POST", "/v1/cases", { body: text.value, headers: { "Content-Type": "application/yaml" } });
  tell(say("js_asking"));
  const limits = { gap: Number(form.elements.gap.value) / 100, seconds: Number(form.elements.seconds.value) };
  const plan = await call("POST", "/v1/plans", {
    body: {
      case_id: stored.id,
      ...demand,
      name: form.elements.name.value.trim(),
      limits,
      every_hour: form.elements.every_hour.checked,
      ...(demandOption.dataset.change && { demand_change: JSON.parse(demandOption.dataset.change) }),
    },
  });
  location.href = `/plans/${plan.id}`;
};

form.addEventListener("submit", guarded(submit));
find("check").addEventListener("click", guarded(check));
form.querySelectorAll('[name="start"]').forEach((choice) => choice.addEventListener("change", begin));
form.elements.demand.addEventListener("change", demandChanged);
form.elements.case_file.addEventListener("change", async () => {
  const [file] = form.elements.case_file.files;
  if (!file) return;
  text.value = await file.text();
  find("case-text").open = true;
});
for (const moved of ["keyup", "click", "focus"]) {
  text.addEventListener(moved, () => { find("caret").textContent = say("js_line", { line: caretLine(text) }); });
}
begin();
