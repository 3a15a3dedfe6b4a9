// One way to make elements: text is always text, never markup.
export const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
};

/** A table of text: columns are {name, numeric}. */
export const grid = ({ columns, rows }) => {
  const cell = (tag, text, column, scope) => element(tag, { class: column.numeric && "n", scope }, text);
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...columns.map((c) => cell("th", c.name, c, "col")))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((text, i) => cell("td", text, columns[i]))))),
  );
};

export const scrolling = (label, ...children) =>
  element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, ...children);
