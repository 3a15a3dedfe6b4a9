// Rows that are ticked in a list: name, tags, put away, delete, two side by side.
import { call, problemPanel } from "./call.js";
import { say } from "./words.js";

const bar = document.querySelector("[data-chosen]");
const ask = document.querySelector("[data-ask]");
const picks = () => [...document.querySelectorAll("[data-pick]:checked")];
const button = (name) => bar.querySelector(`[data-do="${name}"]`);

const show = () => {
  const count = picks().length;
  bar.hidden = !count;
  bar.querySelector("[data-count]").textContent = say("js_chosen", { count });
  button("rename").disabled = count !== 1;
  if (button("beside")) button("beside").disabled = count !== 2;
};

/** What a reader writes into the dialog; null when they leave it. */
const written = (label, value) =>
  new Promise((resolve) => {
    const field = ask.querySelector("input");
    ask.querySelector("#ask-label").textContent = label;
    field.value = value;
    ask.addEventListener("close", () => resolve(ask.returnValue ? field.value : null), { once: true });
    ask.returnValue = "";
    ask.showModal();
    field.select();
  });

const change = (body) => (pick) => call("PATCH", `${bar.dataset.chosen}/${pick.dataset.pick}`, { body });

const WORK = {
  rename: async ([pick], { label }) => {
    const name = await written(label, pick.dataset.name);
    return name && change({ name });
  },
  tags: async ([pick], { label }) => {
    const text = await written(label, pick.dataset.tags);
    return text !== null && change({ tags: text.split(/[,，]/).map((one) => one.trim()).filter(Boolean) });
  },
  archive: () => change({ archived: true }),
  unarchive: () => change({ archived: false }),
  delete: (_chosen, { confirm }) =>
    window.confirm(confirm) && ((pick) => call("DELETE", `${bar.dataset.chosen}/${pick.dataset.pick}`)),
};

bar?.addEventListener("click", async (event) => {
  const { dataset } = event.target;
  if (!dataset.do) return;
  const chosen = picks();
  if (dataset.do === "beside") {
    // the older one first: what came later is set against it
    const [second, first] = chosen.map((pick) => pick.dataset.pick).sort().reverse();
    location.href = `/plans/beside?first=${first}&second=${second}`;
    return;
  }
  const work = await WORK[dataset.do](chosen, dataset);
  if (!work) return;
  try {
    for (const pick of chosen) await work(pick);
    location.reload();
  } catch (fault) {
    document.querySelector("[data-chosen-problem]").replaceChildren(problemPanel(fault));
  }
});
document.addEventListener("change", (event) => event.target.matches("[data-pick]") && show());
if (bar) show();
