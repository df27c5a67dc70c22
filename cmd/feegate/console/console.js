// What the pages do more with a script: files are dropped, their way up is seen, and a preview keeps the chosen file. Without one the page comes anew.
(() => {
  "use strict";
  const size = (n) => (n < 1e6 ? Math.ceil(n / 1e3) + " kB" : (n / 1e6).toFixed(1).replace(".", ",") + " MB");

  // send posts a form and gives the page that came, telling how far it is.
  const send = (form, to, far) => new Promise((done, failed) => {
    const x = new XMLHttpRequest();
    x.open("POST", to);
    x.upload.onprogress = (e) => e.lengthComputable && far(e.loaded / e.total);
    x.onload = () => done(x);
    x.onerror = x.onabort = failed;
    x.send(new FormData(form));
  });

  const says = document.getElementById("result")?.dataset; // the sentences are the page's, in its language
  for (const form of document.querySelectorAll("form[data-preview]")) {
    const zone = form.querySelector(".drop");
    const input = zone.querySelector("input");
    const told = zone.appendChild(document.createElement("p"));
    told.className = "small";
    told.setAttribute("role", "status");
    const chosen = () => (told.textContent = input.files.length ? input.files[0].name + ", " + size(input.files[0].size) : says.sayDrop);
    chosen();
    input.addEventListener("change", chosen);
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      zone.addEventListener(name, (event) => {
        event.preventDefault();
        zone.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop" && event.dataTransfer.files.length) {
          input.files = event.dataTransfer.files;
          chosen();
        }
      });
    }
    form.addEventListener("submit", async (event) => {
      const button = event.submitter;
      if (!button || form.dataset.plain) return;
      event.preventDefault();
      const bar = zone.appendChild(document.createElement("progress"));
      bar.setAttribute("aria-label", says.sayBar);
      const buttons = form.querySelectorAll("button");
      buttons.forEach((b) => (b.disabled = true));
      try {
        const x = await send(form, button.getAttribute("formaction") || form.action, (part) => {
          bar.value = part;
          told.textContent = part < 1 ? says.saySending + " " + Math.floor(part * 100) + " %" : says.sayReading;
          if (part >= 1) bar.removeAttribute("value");
        });
        const page = new DOMParser().parseFromString(x.responseText, "text/html");
        const result = page.getElementById("result");
        if (result) {
          document.getElementById("result").replaceWith(result);
          result.scrollIntoView({ block: "nearest" });
        } else if (x.responseURL !== new URL(form.action).href && x.status < 300) {
          location.assign(x.responseURL); // signed out meanwhile
        } else {
          document.getElementById("main").replaceWith(page.getElementById("main"));
        }
      } catch {
        form.dataset.plain = "1"; // once more, without us
        buttons.forEach((b) => (b.disabled = false));
        form.requestSubmit(button);
      } finally {
        bar.remove();
        buttons.forEach((b) => (b.disabled = false));
        chosen();
      }
    });
  }

  // The stroke leads to the search from wherever nobody is writing.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const field = document.querySelector("#q[type=search]");
    const link = document.querySelector('nav a[href="/console/search"]');
    if (!field && !link) return;
    event.preventDefault();
    if (field) field.focus();
    else location.assign(link.href);
  });
})();
