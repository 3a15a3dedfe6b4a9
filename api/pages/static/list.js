// A list of runs: a few of those under way are followed live, so that a browser's connections are not used up.
import { follow, isFinal } from "./follow.js";
import { gap as proven } from "./format.js";
import { phaseOf } from "./live.js";
import { say } from "./words.js";

const MOST = 3;
const open = new Map(); // address → EventSource

const refresh = async () => {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const body = page.querySelector("[data-list] tbody");
  if (body) document.querySelector("[data-list] tbody").replaceWith(body);
  open.forEach((source) => source.close());
  open.clear();
  start();
};

const watch = (row) => {
  const badge = row.querySelector("[data-state]");
  const gap = row.querySelector("[data-gap]");
  open.set(
    row.dataset.follow,
    follow(row.dataset.follow, {
      onProgress: (progress) => {
        row.querySelector("[data-phase]").textContent = phaseOf(progress)
          + (progress.total ? ` ${progress.done} / ${progress.total}` : "");
        if (gap && progress.gap != null) gap.textContent = proven(progress.gap);
      },
      onState: (state) => {
        badge.textContent = say(`state_${state}`);
        badge.className = `badge ${state}`;
        if (isFinal(state)) refresh();
      },
    }),
  );
};

const start = () => {
  const rows = [...document.querySelectorAll("tr[data-follow]")];
  // Running ones first, then those that were queued first.
  const running = rows.filter((row) => row.dataset.state === "running");
  const queued = rows.filter((row) => row.dataset.state !== "running").reverse();
  [...running, ...queued].slice(0, MOST).forEach(watch);
};

start();
