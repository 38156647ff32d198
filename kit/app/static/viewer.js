// Shows and hides boxes by score and class, and names the one that is pointed at. Works on every
// .kit-viewer of the page, whenever it appears; the server is not asked.
"use strict";

(() => {
  const all = (root, selector) => Array.from(root.querySelectorAll(selector));
  const number = (element, name) => Number(element.dataset[name]);

  /** What is to be shown: a score for all classes, or null for each class's own, and the classes. */
  function wish(viewer) {
    const slider = viewer.querySelector(".kit-slider");
    const hidden = all(viewer, "[data-class]").filter((box) => !box.checked).map((box) => number(box, "class"));
    return { score: slider.dataset.moved ? Number(slider.value) : null, hidden: new Set(hidden) };
  }

  function update(viewer) {
    const { thresholds } = JSON.parse(viewer.dataset.kit);
    const { score, hidden } = wish(viewer);
    const counts = {};
    const shown = (element) => {
      const label = number(element, "label");
      return number(element, "score") >= (score ?? thresholds[label]) - 5e-5 && !hidden.has(label);
    };
    for (const box of all(viewer, ".kit-box")) {
      const reached = number(box, "score") >= (score ?? thresholds[number(box, "label")]) - 5e-5;
      if (reached) counts[box.dataset.label] = (counts[box.dataset.label] ?? 0) + 1;
      box.toggleAttribute("hidden", !shown(box));
    }
    let rows = 0;
    for (const row of all(viewer, "[data-row]")) {
      row.hidden = !shown(row);
      rows += row.hidden ? 0 : 1;
    }
    const none = viewer.querySelector(".kit-none");
    if (none) none.hidden = rows > 0;
    for (const output of all(viewer, "[data-count-of]")) {
      output.value = counts[output.dataset.countOf] ?? 0;
      if (output.value !== "0") output.closest("label").hidden = false; // one of many, seen at last
    }
    const at = viewer.querySelector(".kit-at");
    if (at) at.value = score === null ? at.dataset.own : score.toFixed(2);
    const query = new URLSearchParams();
    if (score !== null) query.set("threshold", score);
    if (hidden.size) query.set("without", [...hidden].join(","));
    for (const link of all(viewer, ".kit-get")) {
      link.href = link.dataset.href + (query.size ? `?${query}` : "");
    }
  }

  function setUp(viewer) {
    if (viewer.dataset.ready) return;
    viewer.dataset.ready = "yes";
    const at = viewer.querySelector(".kit-at");
    if (at) at.dataset.own = at.value;
    update(viewer);
  }

  function name(viewer, box) {
    for (const each of all(viewer, ".kit-box.kit-on, [data-row].kit-on")) each.classList.remove("kit-on");
    const tip = viewer.querySelector(".kit-tip");
    tip.hidden = !box;
    if (!box) return;
    box.classList.add("kit-on");
    viewer.querySelector(`[data-row="${box.dataset.box}"]`)?.classList.add("kit-on");
    tip.textContent = `${box.dataset.name} ${number(box, "score").toFixed(2)}`;
    place(viewer, box, tip);
  }

  function place(viewer, box, tip) {
    const stage = viewer.querySelector(".kit-stage").getBoundingClientRect();
    const edge = box.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(edge.left - stage.left, stage.width - tip.offsetWidth))}px`;
    const above = edge.top - stage.top - tip.offsetHeight;
    tip.style.top = `${above >= 0 ? above : Math.min(edge.bottom - stage.top, stage.height - tip.offsetHeight)}px`;
  }

  function labelAll(viewer, wanted) {
    for (const each of all(viewer, ".kit-tag")) each.remove();
    if (!wanted) return;
    const stage = viewer.querySelector(".kit-stage");
    for (const box of all(viewer, ".kit-box:not([hidden])")) {
      const tag = document.createElement("span");
      tag.className = "kit-tip kit-tag";
      tag.textContent = `${box.dataset.name} ${number(box, "score").toFixed(2)}`;
      stage.append(tag);
      place(viewer, box, tag);
    }
  }

  const SVG = "http://www.w3.org/2000/svg";

  function element(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  /** A box of JSON as the server draws it (viewer.py). */
  function drawn({ class: title, label, score, xyxy: [left, top, right, bottom] }, index, colours) {
    const group = element("g", { class: "kit-box" });
    Object.assign(group.dataset, { box: index, label, score: score.toFixed(4), name: title });
    const shape = { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    group.append(
      element("rect", { class: "kit-rim", ...shape }),
      element("rect", { class: "kit-line", stroke: colours[label], ...shape }),
    );
    return group;
  }

  /** Put the boxes of another frame in place of those shown, best on top. */
  function redraw(viewer, { width, height, detections }) {
    setUp(viewer);
    const { colours } = JSON.parse(viewer.dataset.kit);
    const svg = viewer.querySelector(".kit-stage svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren(...detections.map((box, index) => drawn(box, index, colours)).reverse());
    changed(viewer);
    const under = viewer.kitPointer && document.elementFromPoint(...viewer.kitPointer);
    if (under && viewer.contains(under)) name(viewer, under.closest(".kit-box"));
  }

  window.kitViewer = { redraw };

  const viewerOf = (event) => (event.target instanceof Element ? event.target.closest(".kit-viewer") : null);

  function changed(viewer) {
    update(viewer);
    labelAll(viewer, viewer.querySelector(".kit-label-all")?.checked);
  }

  document.addEventListener("input", (event) => {
    const viewer = viewerOf(event);
    if (!viewer) return;
    if (event.target.matches(".kit-slider")) event.target.dataset.moved = "yes";
    if (event.target.matches(".kit-slider, [data-class], .kit-label-all")) changed(viewer);
  });

  document.addEventListener("click", (event) => {
    const viewer = viewerOf(event);
    if (!viewer || !event.target.matches(".kit-reset")) return;
    const slider = viewer.querySelector(".kit-slider");
    delete slider.dataset.moved;
    slider.value = slider.defaultValue;
    changed(viewer);
  });

  document.addEventListener("pointermove", (event) => {
    const viewer = viewerOf(event);
    if (viewer) viewer.kitPointer = [event.clientX, event.clientY];
  });

  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const viewer = viewerOf(event);
      if (!viewer) return;
      const row = event.target.closest("[data-row]");
      const box = row ? viewer.querySelector(`.kit-box[data-box="${row.dataset.row}"]`) : event.target.closest(".kit-box");
      if (box || event.target.closest(".kit-stage, table")) name(viewer, box);
    });
  }

  const look = () => all(document, ".kit-viewer:not([data-ready])").forEach(setUp);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", look);
})();
