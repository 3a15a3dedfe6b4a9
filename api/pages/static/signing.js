// Signing a plan: whoever signs names the content that this page shows.
import { call, problemPanel } from "./call.js";
import { besideFields } from "./fields.js";

for (const form of document.querySelectorAll("[data-sign]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { comment, scope } = form.elements;
    const problem = form.querySelector("[data-problem]");
    problem.replaceChildren();
    form.querySelectorAll("button").forEach((one) => { one.disabled = true; });
    try {
      await call("POST", form.dataset.sign, {
        body: {
          action: event.submitter.value,
          comment: comment.value,
          content_sha256: form.dataset.content,
          ...(scope && { scope: scope.value }),
        },
      });
      location.hash = "signing";
      location.reload();
    } catch (fault) {
      form.querySelectorAll("button").forEach((one) => { one.disabled = false; });
      if (!besideFields(form, fault, (pointer) => pointer.slice(1))) problem.replaceChildren(problemPanel(fault));
    }
  });
}
