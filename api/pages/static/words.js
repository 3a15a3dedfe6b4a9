// Texts of the page in its own language, as the server put them there.
const known = JSON.parse(document.getElementById("words").textContent);

export const chinese = document.documentElement.lang.startsWith("zh");

/** The text of a key with its {placeholders} filled; the key itself when no catalogue has it. */
export const say = (key, values = {}) =>
  (known[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** The text of a key, or `otherwise` when no catalogue has it. */
export const sayOr = (key, otherwise) => known[key] ?? otherwise;
