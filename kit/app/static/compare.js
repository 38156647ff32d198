// Two detectors on one picture: as the slider moves, the server is asked again what differs; what
// one shows alone is dashed, what the other calls otherwise is dotted.
"use strict";

(() => {
  const all = (root, selector) => Array.from(root.querySelectorAll(selector));

  function mark(viewer) {
    const { lone, other } = viewer.querySelector(".kit-sentence").dataset;
    for (const [name, keys] of [["kit-lone", lone], ["kit-other", other]]) {
      const marked = new Set(keys.split(" "));
      for (const box of all(viewer, ".kit-box")) box.classList.toggle(name, marked.has(box.dataset.box));
    }
  }

  /** The newest wish only: a slider asks often. */
  async function ask(viewer, query) {
    const turn = (viewer.kitTurn = (viewer.kitTurn ?? 0) + 1);
    const answer = await fetch(`${viewer.dataset.home}/differences?${query}`).catch(() => null);
    if (turn !== viewer.kitTurn) return;
    if (!answer?.ok) {
      const told = await answer?.json().catch(() => null);
      viewer.querySelector(".kit-sentence").textContent = told?.detail ?? "";
      return;
    }
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text(); // made by the server, every name in it escaped
    if (turn !== viewer.kitTurn) return;
    for (const part of [".kit-sentence", ".kit-matches"]) {
      viewer.querySelector(part).replaceWith(holder.content.querySelector(part));
    }
    mark(viewer);
  }

  document.addEventListener("kit-shown", (event) => {
    const viewer = event.target;
    if (!viewer.matches(".kit-compare")) return;
    if (viewer.dataset.marked) {
      ask(viewer, event.detail);
      return;
    }
    viewer.dataset.marked = "yes"; // it came with what differs at the operating points
    mark(viewer);
  });
})();
