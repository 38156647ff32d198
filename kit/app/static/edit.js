// Brings mouse, finger and keys to the boxes under correction. A module, as its two parts are; the
// page has it only where corrections are kept.

import { begin, sessionIn } from "./edit_session.js";
import { all, render } from "./edit_view.js";

const viewerOf = (event) => (event.target instanceof Element ? event.target.closest(".kit-viewer") : null);
const sessionOf = (event) => sessionIn(viewerOf(event));
const rowOf = (event) => event.target.closest(".kit-edit-list > li");

document.addEventListener("click", (event) => {
  const name = event.target.closest?.("[data-edit-do]")?.dataset.editDo;
  if (!name) return;
  if (name === "start") {
    const session = begin(viewerOf(event));
    session.part.querySelector('[data-edit-do="rest"]').focus();
  } else {
    sessionOf(event)?.act(name, rowOf(event));
  }
});

document.addEventListener("change", (event) => {
  const session = sessionOf(event);
  const row = session && rowOf(event);
  if (row) {
    const box = session.boxes.find((each) => each.key === Number(row.dataset.key));
    session.change(() => Object.assign(box, { label: Number(event.target.value), accepted: true }));
  } else if (session && event.target.matches("[data-edit-side]")) {
    session.typed(event.target);
  }
});

document.addEventListener("focusin", (event) => {
  const row = sessionOf(event) && rowOf(event);
  if (row && Number(row.dataset.key) !== sessionOf(event).chosen) sessionOf(event).choose(Number(row.dataset.key));
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches?.(".kit-edit-list > li")) sessionOf(event)?.key(event, event.target);
});

document.addEventListener("pointerdown", (event) => {
  if (event.button === 0 && event.target.closest?.(".kit-stage")) sessionOf(event)?.down(event);
});
document.addEventListener("pointermove", (event) => sessionOf(event)?.dragged(event));
for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, (event) => sessionOf(event)?.up(event));
window.addEventListener("resize", () => all(document, ".kit-editing").forEach((viewer) => render(sessionIn(viewer))));

// ---- other pictures, another detector or another page would take the corrections away

const unsaved = () => all(document, ".kit-editing").map(sessionIn).find((session) => session && !session.saved);

window.addEventListener("beforeunload", (event) => {
  if (unsaved()) event.preventDefault();
});

/** Whether new pictures would come, in the tab where the corrections are. */
function brings(event, session) {
  const here = session?.viewer.closest("[data-intake]");
  if (!here) return false;
  if (event.type === "paste") return event.clipboardData?.files.length && here.offsetParent;
  if (event.target.closest?.("[data-intake]") !== here) return false;
  if (event.type === "click") return event.target.closest("[data-sample]");
  return event.type === "drop" ? event.dataTransfer.files.length : event.target.matches("input[type=file]");
}

for (const kind of ["change", "drop", "paste", "click"]) {
  document.addEventListener(kind, (event) => {
    const bundle = kind === "change" && event.target.matches?.(".kit-bundle") ? event.target : null;
    const open = unsaved();
    const session = (bundle || brings(event, open)) && open;
    if (session && !window.confirm(session.texts.lose)) {
      event.stopImmediatePropagation();
      event.preventDefault();
      if (bundle) bundle.value = bundle.dataset.was ?? bundle.options[0].value;
      else if ("value" in event.target) event.target.value = "";
    } else if (bundle) {
      bundle.dataset.was = bundle.value;
    }
  }, true);
}
