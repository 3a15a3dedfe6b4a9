// The page of one run: live while it is under way, its content once it is finished.
import { actual } from "./actual.js";
import { call, problemPanel } from "./call.js";
import { charts } from "./charts.js";
import { live } from "./live.js";
import { prices } from "./prices.js";
import { makePlan, question } from "./question.js";
import { replay } from "./replay.js";
import { scores } from "./scores.js";

const enliven = (root) => {
  charts(root);
  root.querySelectorAll("[data-prices]").forEach(prices);
  root.querySelectorAll("[data-scores]").forEach(scores);
  root.querySelectorAll("[data-question]").forEach(question);
  root.querySelectorAll("[data-make-plan]").forEach(makePlan);
  root.querySelectorAll("[data-replay]").forEach(replay);
};

const load = async (panel) => {
  try {
    const content = document.createElement("div");
    content.innerHTML = await call("GET", panel.dataset.load); // our own template: every text in it is escaped
    panel.replaceWith(content);
    enliven(content);
    const aim = location.hash && document.getElementById(location.hash.slice(1));
    if (aim) aim.scrollIntoView();
  } catch (fault) {
    panel.replaceWith(problemPanel(fault));
  }
};

document.querySelectorAll("[data-live]").forEach(live);
document.querySelectorAll("[data-load]").forEach(load);
document.querySelectorAll("[data-actual]").forEach(actual);
enliven(document);
