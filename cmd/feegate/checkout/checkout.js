// Counts down, copies, and hears whether there is news; the page itself is whole without this.
(() => {
  "use strict";
  const main = document.querySelector("main");
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const print = document.querySelector("[data-print]");
  if (print) {
    print.hidden = false;
    print.addEventListener("click", () => window.print());
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
      } catch {
        // Not allowed, or no secure page: through a field, as before there was a clipboard.
        const field = document.createElement("textarea");
        field.value = button.dataset.copy;
        document.body.append(field);
        field.select();
        document.execCommand("copy");
        field.remove();
        button.focus();
      }
      document.getElementById("copied").textContent = button.dataset.done;
    });
  }
  const clock = document.querySelector("[data-left]");
  const later = document.querySelectorAll("[data-after]");
  const tick = () => {
    if (clock) {
      const left = Math.max(0, Math.round(clock.dataset.left - seconds()));
      const two = (n) => String(n).padStart(2, "0");
      const minutes = Math.floor(left / 60);
      clock.textContent = (minutes < 60 ? minutes : Math.floor(minutes / 60) + ":" + two(minutes % 60)) + ":" + two(left % 60);
    }
    for (const l of later) if (seconds() >= Number(l.dataset.after)) l.hidden = false;
  };
  if (clock || later.length) {
    tick();
    setInterval(tick, 1000);
  }
  if (!main || !("poll" in main.dataset)) return;
  const heard = (state) => {
    if (state === main.dataset.mark) return false;
    location.replace(location.pathname + location.search.replace(/[?&](again|asked)=1/g, "").replace(/^&/, "?"));
    return true;
  };
  const ask = async () => {
    try {
      const answer = await fetch(main.dataset.status, { cache: "no-store" });
      if (answer.ok && heard((await answer.json()).state)) return;
    } catch {
      // No network for a moment: the next one asks again.
    }
    if (seconds() < 3600) setTimeout(ask, seconds() < 120 ? 3000 : 10000);
  };
  if (!("EventSource" in window)) {
    setTimeout(ask, 3000);
    return;
  }
  // A stream that breaks comes again by itself; one that is refused is given up for asking.
  const stream = new EventSource(main.dataset.events);
  stream.addEventListener("state", (e) => {
    if (heard(e.data)) stream.close();
  });
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(ask, 3000);
    else if (seconds() > 3600) stream.close();
  });
})();
