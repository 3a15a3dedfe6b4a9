// The panel of a run that is under way: where it stands, stop and cancel.
import { call, titleOf } from "./call.js";
import { element } from "./element.js";
import { follow, isFinal } from "./follow.js";
import { gap, money, seconds } from "./format.js";
import { say, sayOr } from "./words.js";

const hourly = (progress) => /^every hour: day (\d+) of (\d+)$/.exec(progress.phase ?? "");

export const phaseOf = (progress) => {
  const [, done, total] = hourly(progress) ?? [];
  if (total) return say("js_every_hour", { done, total });
  return sayOr(`phase_${(progress.phase ?? "").replaceAll(" ", "_")}`, progress.phase ?? "");
};

const facts = (progress, currency) => {
  const out = [];
  if (progress.scenario !== undefined) out.push([say("js_scenario"), progress.scenario || "–"]);
  if (progress.total) out.push([say("js_done"), `${progress.done} / ${progress.total}`]);
  if (progress.objective !== undefined) {
    out.push([say("js_cost"), progress.objective ? money(progress.objective, currency) : say("js_none_yet")]);
    out.push([say("js_bound"), progress.bound == null ? "–" : money(progress.bound, currency)]);
    out.push([say("js_gap"), progress.gap == null ? "–" : gap(progress.gap)]);
  }
  if (progress.seconds !== undefined) out.push([say("js_seconds"), seconds(progress.seconds)]);
  return out.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
};

export const live = (panel) => {
  const find = (name) => panel.querySelector(`[data-${name}]`);
  const bar = find("live-bar");
  const limit = Number(panel.dataset.seconds);
  follow(panel.dataset.live, {
    onProgress: (progress) => {
      find("live-phase").textContent = phaseOf(progress);
      find("live-facts").replaceChildren(...facts(progress, panel.dataset.currency));
      const none = progress.objective == null; // nothing is there yet that a stop could keep
      if ("objective" in progress) panel.querySelectorAll("[data-stop]").forEach((part) => { part.hidden = none; });
      const [, done, total] = hourly(progress) ?? [, progress.done, progress.total];
      if (total) {
        bar.max = Number(total);
        bar.value = Number(done);
      } else if (limit > 0 && progress.objective !== undefined) {
        bar.max = limit;
        bar.value = Math.min(progress.seconds, limit);
      } else bar.removeAttribute("value");
    },
    onState: (state) => {
      const badge = find("live-state");
      badge.textContent = say(`state_${state}`);
      badge.className = `badge ${state}`;
      if (isFinal(state)) location.reload();
    },
  });
  for (const button of panel.querySelectorAll("[data-post]")) {
    button.addEventListener("click", async () => {
      if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
      button.disabled = true;
      try {
        await call("POST", button.dataset.post);
        find("said").textContent = say(button.dataset.post.endsWith("stop") ? "js_stopping" : "js_cancelling");
      } catch (fault) {
        button.disabled = false;
        find("said").textContent = titleOf(fault.problem);
      }
    });
  }
};
