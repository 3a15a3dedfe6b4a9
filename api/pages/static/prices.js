// Shadow prices of a plan, worked out by the service when somebody asks.
import { call, problemPanel } from "./call.js";
import { grid, scrolling } from "./element.js";
import { chinese, say } from "./words.js";

export const prices = (button) => {
  const section = button.closest("section");
  const said = section.querySelector("[data-prices-said]");
  const place = section.querySelector("[data-prices-table]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = say("js_working");
    try {
      const { rows, note, note_zh: noteZh } = await call("GET", button.dataset.prices);
      const best = [...rows].sort((a, b) => b.price - a.price);
      said.textContent = chinese ? noteZh : note;
      const columns = [{ name: say("js_limit") }];
      const table = { columns, rows: best.map((row) => [chinese ? row.sentence_zh : row.sentence]) };
      place.replaceChildren(...(rows.length ? [scrolling(say("js_limit"), grid(table))] : []));
      button.hidden = true;
      button.closest(".screen")?.classList.remove("screen"); // what is known now is printed
    } catch (fault) {
      said.textContent = "";
      button.disabled = false;
      place.replaceChildren(problemPanel(fault));
    }
  });
};
