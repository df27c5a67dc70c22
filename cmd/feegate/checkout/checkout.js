// Counts down, and asks every few seconds whether there is news; the page itself is whole without this.
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
  const clock = document.querySelector("[data-left]");
  const later = document.querySelector("[data-after]");
  const tick = () => {
    if (clock) {
      const left = Math.max(0, Math.round(clock.dataset.left - seconds()));
      clock.textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    }
    if (later && seconds() >= Number(later.dataset.after)) later.hidden = false;
  };
  if (clock || later) {
    tick();
    setInterval(tick, 1000);
  }
  if (!main || !("poll" in main.dataset)) return;
  const ask = async () => {
    try {
      const answer = await fetch(main.dataset.status, { cache: "no-store" });
      if (answer.ok && (await answer.json()).state !== main.dataset.mark) {
        location.replace(location.pathname);
        return;
      }
    } catch {
      // No network for a moment: the next one asks again.
    }
    if (seconds() < 3600) setTimeout(ask, seconds() < 120 ? 3000 : 10000);
  };
  setTimeout(ask, 3000);
})();
