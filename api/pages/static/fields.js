// Faults beside the fields in which they stand.
import { element } from "./element.js";
import { chinese, say } from "./words.js";

const clear = (form) => {
  form.querySelectorAll("[data-field-fault]").forEach((one) => one.remove());
  form.querySelectorAll("[aria-invalid]").forEach((field) => {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  });
};

const told = (fault) => {
  const own = (name) => (chinese && fault[`${name}_zh`]) || fault[name];
  if (!fault.found && !fault.allowed) return fault.detail ?? "";
  return `${say("js_found")} ${own("found")}; ${say("js_allowed")} ${own("allowed")}`;
};

/**
 * Puts every fault of a refused request below its field, and the caret into the first. `fieldOf` names the field of a
 * pointer. False when a fault has no field: then nothing is put anywhere. Without a fault, what stood there is taken away.
 */
export const besideFields = (form, fault, fieldOf) => {
  clear(form);
  const errors = fault?.problem?.errors ?? [];
  const placed = errors.map((one) => [form.elements[fieldOf?.(one.pointer ?? "")], one]);
  if (!placed.length || placed.some(([field]) => !(field instanceof Element))) return false;
  placed.forEach(([field, one], i) => {
    const id = `fault-${field.name}-${i}`;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", id);
    (field.closest("label") ?? field).append(element("span", { class: "bad", id, "data-field-fault": true }, told(one)));
  });
  placed[0][0].focus();
  return true;
};
