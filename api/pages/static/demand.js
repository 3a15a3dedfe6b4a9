// The demand that a form names: a stored one by its id, or a file that is stored first.
import { call, Problem } from "./call.js";
import { say } from "./words.js";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const TYPES = [
  [".parquet", "application/vnd.apache.parquet"],
  [".gz", "application/gzip"],
  [".json", "application/json"],
  [".xlsx", XLSX],
];
const typeOf = (name) => TYPES.find(([end]) => name.toLowerCase().endsWith(end))?.[1] ?? "text/csv";

const store = async (blob, type, name, timezone, read = "") => {
  const query = new URLSearchParams({ name, timezone });
  read.split(/\s+/).filter(Boolean).forEach((one) => query.append("read", one));
  const stored = await call("POST", `/v1/histories?${query}`, { body: blob, headers: { "Content-Type": type } });
  return stored.id;
};

/** Store the history file of a form; returns its id. Throws a Problem when there is none. */
export const uploaded = async (form, tell) => {
  const [file] = form.elements.history_file.files;
  if (!file) {
    const fault = { pointer: say("js_history_file"), found: say("js_nothing"), allowed: say("js_history_allowed") };
    throw new Problem({ type: "/problems/invalid-history", errors: [fault] });
  }
  tell(say("js_storing_history"));
  return store(file, typeOf(file.name), file.name, form.elements.timezone.value, form.elements.read.value);
};

const fetched = new Map();

/** Have an example's history made while its form is being read: the answer, again for whoever asks later. */
export const exampleHistory = (name) => {
  if (!fetched.has(name)) {
    const answer = fetch(`/drafts/examples/${name}/history`).then(async (made) => {
      if (!made.ok) throw new Problem(await made.json());
      return { blob: await made.blob(), type: made.headers.get("content-type").split(";")[0] };
    });
    fetched.set(name, answer);
    answer.catch(() => fetched.delete(name)); // asked for again when it is needed
  }
  return fetched.get(name);
};

const ofExample = async (name, tell) => {
  tell(say("js_making_history"));
  const { blob, type } = await exampleHistory(name);
  tell(say("js_storing_history"));
  return store(blob, type, say(`js_example_${name}`), "Asia/Shanghai");
};

/** What a plan's request says of its demand: history_id, forecast_id, or nothing for the case's own. */
export const demandOf = async (form, example, tell) => {
  const select = form.elements.demand;
  const [kind, id] = select.value.split(":");
  if (kind === "history") return { history_id: id };
  if (kind === "forecast") return { forecast_id: id };
  if (kind === "upload") return { history_id: await uploaded(form, tell) };
  if (kind === "example") return { history_id: await ofExample(example, tell) };
  if (kind === "same") {
    const { history, forecast } = select.selectedOptions[0].dataset;
    return { ...(history && { history_id: history }), ...(forecast && { forecast_id: forecast }) };
  }
  return {};
};
