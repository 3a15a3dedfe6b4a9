// What became of a plan of record: entered here, held against the plan when the page is shown again.
import { call, problemPanel } from "./call.js";
import { besideFields } from "./fields.js";

/** Offer the places and things that go with what happened. */
const offer = ({ elements }) => {
  for (const select of [elements.place, elements.what]) {
    const options = [...select.options];
    for (const option of options) option.hidden = option.disabled = !option.dataset.for.split(" ").includes(elements.kind.value);
    if (select.selectedOptions[0]?.disabled) options.find((option) => !option.disabled).selected = true;
  }
};

export const actual = (form) => {
  const { kind, place, what, day, amount, comment } = form.elements;
  kind.addEventListener("change", () => offer(form));
  offer(form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!form.reportValidity()) return;
    const problem = form.querySelector("[data-problem]");
    problem.replaceChildren();
    besideFields(form);
    const body = {
      kind: kind.value, place: place.value, what: what.value, day: day.value, amount: Number(amount.value), comment: comment.value,
    };
    try {
      await call("POST", form.dataset.actual, { body });
      location.hash = "actuals";
      location.reload();
    } catch (fault) {
      if (!besideFields(form, fault, (pointer) => pointer.slice(1))) problem.replaceChildren(problemPanel(fault));
    }
  });
};
