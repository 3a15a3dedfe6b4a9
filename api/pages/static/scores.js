// Back-test scores of a history, made when somebody asks.
import { call, problemPanel } from "./call.js";
import { charts } from "./charts.js";
import { say } from "./words.js";

export const scores = (button) => {
  const section = button.closest("section");
  const said = section.querySelector("[data-scores-said]");
  const place = section.querySelector("[data-scores-place]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = say("js_backtesting");
    try {
      place.innerHTML = await call("GET", button.dataset.scores); // our own template: every text in it is escaped
      charts(place);
      button.hidden = true;
    } catch (fault) {
      button.disabled = false;
      place.replaceChildren(problemPanel(fault));
    }
    said.textContent = "";
  });
};
