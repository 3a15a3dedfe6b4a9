// Calls of this service, and its problems (RFC 9457) in words.
import { element } from "./element.js";
import { chinese, say, sayOr } from "./words.js";

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

/** The answer's body: JSON, or text for other types. Throws a Problem when the service refuses or cannot be reached. */
export const call = async (method, address, { body, headers = {} } = {}) => {
  const plain = body !== undefined && !(body instanceof Blob) && typeof body !== "string";
  const sent = plain ? JSON.stringify(body) : body;
  const given = plain ? { "Content-Type": "application/json", ...headers } : headers;
  let answer;
  try {
    answer = await fetch(address, { method, body: sent, headers: given, credentials: "same-origin" });
  } catch {
    throw new Problem({ type: "/problems/unreachable", title: say("js_unreachable") });
  }
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const found = isJson ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Problem(isJson ? found : { type: "/problems/http", title: `${answer.status}` });
  return found;
};

export const titleOf = (problem) => sayOr(`problem_${(problem.type ?? "").replace("/problems/", "")}`, problem.title);

const faultOf = (fault, jump) => {
  const where = fault.line && jump
    ? element("button", { type: "button", class: "linklike" }, `${say("js_line", { line: fault.line })} · ${fault.pointer}`)
    : fault.pointer && element("code", {}, fault.pointer);
  if (fault.line && jump) where.addEventListener("click", () => jump(fault.line));
  const own = (name) => (chinese && fault[`${name}_zh`]) || fault[name];
  const parts = [["js_found", own("found")], ["js_allowed", own("allowed")], ["js_remedy", own("remedy")]]
    .filter(([, text]) => text)
    .flatMap(([key, text]) => [element("dt", {}, say(key)), element("dd", {}, text)]);
  return element("li", {}, where, parts.length ? element("dl", {}, ...parts) : element("p", {}, fault.detail ?? ""));
};

/** A problem with every fault at its place. `jump(line)` leads to a fault that has a line. */
export const problemPanel = (fault, jump) => {
  const problem = fault instanceof Problem ? fault.problem : { title: say("js_page_fault"), detail: String(fault) };
  const faults = problem.errors ?? problem.cause?.errors ?? [];
  return element(
    "section",
    { class: "panel trouble", role: "alert", tabindex: -1 },
    element("h2", {}, titleOf(problem)),
    faults.length
      ? element("ul", { class: "faults" }, ...faults.map((one) => faultOf(one, jump)))
      : element("p", {}, problem.detail ?? ""),
  );
};
