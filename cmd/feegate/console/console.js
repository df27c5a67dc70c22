// A preview keeps the chosen file: it is fetched and shown in place. Without this the page comes anew and the file is chosen again.
(() => {
  "use strict";
  const form = document.querySelector("form[data-preview]");
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!button || !button.hasAttribute("formaction")) return;
    event.preventDefault();
    button.disabled = true;
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const result = page.getElementById("result");
      if (answer.redirected || !result) {
        location.assign(answer.redirected ? answer.url : location.href);
        return;
      }
      document.getElementById("result").replaceWith(result);
      result.scrollIntoView({ block: "nearest" });
    } catch {
      form.removeAttribute("data-preview");
      form.requestSubmit(button);
    } finally {
      button.disabled = false;
    }
  });
})();
