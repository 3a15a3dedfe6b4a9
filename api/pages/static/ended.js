// A run that was asked for from a form, followed until it ends.
import { call } from "./call.js";
import { follow, isFinal } from "./follow.js";
import { gap } from "./format.js";
import { phaseOf } from "./live.js";
import { say } from "./words.js";

const far = (progress) => {
  if (progress.gap != null) return gap(progress.gap);
  return progress.total ? `${progress.done} / ${progress.total}` : "";
};

/** The run in its final state; `tell(text)` says where it stands meanwhile. */
export const ended = (links, tell) =>
  new Promise((resolve) => {
    follow(links.events, {
      onProgress: (progress) => tell(`${phaseOf(progress)} ${far(progress)}`),
      onState: (state) => {
        tell(say(`state_${state}`));
        if (isFinal(state)) resolve(call("GET", links.self));
      },
    });
  });
