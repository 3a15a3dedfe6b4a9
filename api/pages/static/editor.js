// A text area with lines: where the caret is, and how to bring a line into view.

export const caretLine = (area) => area.value.slice(0, area.selectionStart).split("\n").length;

export const jumpTo = (area, line) => {
  const before = area.value.split("\n").slice(0, line - 1).join("\n");
  const from = line > 1 ? before.length + 1 : 0;
  const end = area.value.indexOf("\n", from);
  area.focus();
  area.setSelectionRange(from, end < 0 ? area.value.length : end);
  const height = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max((line - 4) * height, 0);
  area.scrollLeft = 0;
  area.scrollIntoView({ block: "center" });
};
