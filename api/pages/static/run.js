// The page of one run: live while it is under way, its content once it is finished.
import { call, problemPanel } from "./call.js";
import { charts } from "./charts.js";
import { live } from "./live.js";
import { prices } from "./prices.js";
import { replay } from "./replay.js";
import { scores } from "./scores.js";
import { whyNot } from "./why_not.js";

const enliven = (root) => {
  charts(root);
  root.querySelectorAll("[data-prices]").forEach(prices);
  root.querySelectorAll("[data-scores]").forEach(scores);
  root.querySelectorAll("[data-why-not]").forEach(whyNot);
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
enliven(document);
