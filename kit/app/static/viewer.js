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

  /** Thresholds by label: those of a picture, else those of its viewer. */
  function ownOf(viewer) {
    const shared = JSON.parse(viewer.dataset.kit).thresholds;
    const stages = new Map(all(viewer, "[data-thresholds]").map((stage) => [stage, JSON.parse(stage.dataset.thresholds)]));
    return (element) => (stages.get(element.closest(".kit-stage")) ?? shared)[number(element, "label")];
  }

  function update(viewer) {
    const own = ownOf(viewer);
    const { score, hidden } = wish(viewer);
    const counts = {};
    const reaches = (element) => number(element, "score") >= (score ?? own(element)) - 5e-5;
    const shown = (element) => reaches(element) && !hidden.has(number(element, "label"));
    for (const box of all(viewer, ".kit-box")) {
      const key = `${box.closest(".kit-stage").dataset.side}:${box.dataset.label}`;
      if (reaches(box)) counts[key] = (counts[key] ?? 0) + 1;
      box.toggleAttribute("hidden", !shown(box));
    }
    let rows = 0;
    for (const row of all(viewer, "[data-row][data-score]")) {
      row.hidden = !shown(row);
      rows += row.hidden ? 0 : 1;
    }
    const none = viewer.querySelector(".kit-none");
    if (none) none.hidden = rows > 0;
    for (const output of all(viewer, "[data-count-of]")) {
      output.value = counts[`${output.dataset.countIn}:${output.dataset.countOf}`] ?? 0;
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
    viewer.dispatchEvent(new CustomEvent("kit-shown", { bubbles: true, detail: query }));
  }

  function setUp(viewer) {
    if (viewer.dataset.ready) return;
    viewer.dataset.ready = "yes";
    const at = viewer.querySelector(".kit-at");
    if (at) at.dataset.own = at.value;
    update(viewer);
  }

  /** Name these boxes, at most one on each picture, and light up their row. */
  function name(viewer, boxes) {
    for (const each of all(viewer, ".kit-box.kit-on, [data-row].kit-on")) each.classList.remove("kit-on");
    for (const tip of all(viewer, ".kit-tip:not(.kit-tag)")) tip.hidden = true;
    for (const box of boxes) {
      const tip = box.closest(".kit-stage").querySelector(".kit-tip:not(.kit-tag)");
      tip.hidden = false;
      box.classList.add("kit-on");
      viewer.querySelector(`[data-row~="${box.dataset.box}"]`)?.classList.add("kit-on");
      tip.textContent = `${box.dataset.name} ${number(box, "score").toFixed(2)}`;
      place(box, tip);
    }
  }

  function place(box, tip) {
    const stage = box.closest(".kit-stage").getBoundingClientRect();
    const edge = box.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(edge.left - stage.left, stage.width - tip.offsetWidth))}px`;
    const above = edge.top - stage.top - tip.offsetHeight;
    tip.style.top = `${above >= 0 ? above : Math.min(edge.bottom - stage.top, stage.height - tip.offsetHeight)}px`;
  }

  function labelAll(viewer, wanted) {
    for (const each of all(viewer, ".kit-tag")) each.remove();
    if (!wanted) return;
    for (const box of all(viewer, ".kit-box:not([hidden])")) {
      const tag = document.createElement("span");
      tag.className = "kit-tip kit-tag";
      tag.textContent = `${box.dataset.name} ${number(box, "score").toFixed(2)}`;
      box.closest(".kit-stage").append(tag);
      place(box, tag);
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
    const box = under && viewer.contains(under) ? under.closest(".kit-box") : null;
    name(viewer, box ? [box] : []);
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
      const box = event.target.closest(".kit-box");
      const row = event.target.closest("[data-row]") ?? (box && viewer.querySelector(`[data-row~="${box.dataset.box}"]`));
      const keys = row ? row.dataset.row.split(" ") : box ? [box.dataset.box] : [];
      const boxes = keys.map((key) => viewer.querySelector(`.kit-box[data-box="${key}"]`)).filter(Boolean);
      if (boxes.length || event.target.closest(".kit-stage, table")) name(viewer, boxes);
    });
  }

  const look = () => all(document, ".kit-viewer:not([data-ready])").forEach(setUp);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", look);
})();
