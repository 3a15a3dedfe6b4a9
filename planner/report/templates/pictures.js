"use strict";
// Says what stands under the pointer or the finger on a picture; pages and reports use the same file.
(() => {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  const known = new WeakMap();
  const told = (box) => {
    if (!known.has(box)) known.set(box, JSON.parse(box.dataset.tips));
    return known.get(box);
  };

  const lines = (tips, row) =>
    tips.column ? [row[0], ...tips.names.map((name, i) => row[i + 1] && `${name}: ${row[i + 1]}`).filter(Boolean)] : row;

  const show = (event) => {
    const box = event.target.closest?.(".picture");
    const tips = box && told(box);
    const svg = box && [...box.querySelectorAll("svg")].find((one) => one.getClientRects().length);
    const places = svg && tips[svg.classList[0]];
    tip.hidden = true;
    if (!places?.length) return;
    const frame = svg.getBoundingClientRect();
    const scale = frame.width / svg.viewBox.baseVal.width;
    const at = [(event.clientX - frame.left) / scale, (event.clientY - frame.top) / scale];
    const far = ([x, y]) => Math.hypot(x - at[0], tips.column ? 0 : y - at[1]);
    const nearest = places.reduce((best, place, i) => (far(place) < far(places[best]) ? i : best), 0);
    if (!tips.column && far(places[nearest]) > 40) return;
    document.body.append(tip);
    tip.textContent = lines(tips, tips.rows[nearest]).join("\n");
    tip.hidden = false;
    const room = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - room.width - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - room.height - 8))}px`;
  };
  document.addEventListener("pointermove", show, { passive: true });
  document.addEventListener("pointerdown", show, { passive: true });
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // On paper everything is open.
  addEventListener("beforeprint", () => {
    tip.hidden = true;
    for (const one of document.querySelectorAll("details:not([open])")) {
      one.open = true;
      one.dataset.closed = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const one of document.querySelectorAll("details[data-closed]")) {
      one.open = false;
      delete one.dataset.closed;
    }
  });
})();
