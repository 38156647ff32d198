// Boxes under correction: accepted, rejected, moved, resized, drawn; then told to the server. They
// are those shown when it begins, so the slider is away meanwhile.

import { all, CORNERS, fill, render, rounded, shape } from "./edit_view.js";

const SMALLEST = 1; // picture pixels, as the server wants
const MOST_UNDONE = 200;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const sessions = new WeakMap();

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const same = (one, other) => one.every((value, side) => value === other[side]);

/** The session of a viewer; none where nothing is corrected. */
export const sessionIn = (viewer) => sessions.get(viewer);

export function begin(viewer) {
  const session = new Session(viewer);
  sessions.set(viewer, session);
  session.begin();
  return session;
}

/** Between a corner that stays and another, never thinner than a pixel, never out of the picture. */
function stretched(x, y, toX, toY, width, height) {
  const ordered = (from, to, end) => {
    const low = Math.min(from, to);
    const high = Math.max(from, to, low + SMALLEST);
    return high > end ? [Math.min(low, end - SMALLEST), end] : [low, high];
  };
  const [[left, right], [top, bottom]] = [ordered(x, toX, width), ordered(y, toY, height)];
  return [left, top, right, bottom];
}

/** The boxes of one viewer while they are corrected, and what can be done to them. */
class Session {
  constructor(viewer) {
    this.viewer = viewer;
    this.part = viewer.querySelector(".kit-edit");
    this.svg = viewer.querySelector(".kit-stage svg");
    Object.assign(this, JSON.parse(this.part.dataset.edit)); // classes, colours, texts
    const view = this.svg.viewBox.baseVal;
    [this.width, this.height] = [view.width, view.height];
    const slider = viewer.querySelector(".kit-slider");
    this.threshold = slider.dataset.moved ? Number(slider.value) : null;
    this.boxes = [];
    this.history = [];
    this.number = 0;
    this.chosen = null;
    this.drag = null;
    this.saved = true;
    this.layer = this.svg.appendChild(shape("g", {}));
  }

  // ---- what there is

  /** Every class is shown, so that what is true is all that is to be seen. */
  begin() {
    for (const box of all(this.viewer, "[data-class]:not(:checked)")) {
      box.checked = true;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
    for (const group of all(this.viewer, ".kit-box:not([hidden])").reverse()) {
      const rect = group.querySelector("rect");
      const [left, top, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
      const place = [left, top, left + width, top + height];
      this.add({ proposed: Number(group.dataset.box), label: Number(group.dataset.label), place });
    }
    this.viewer.style.setProperty("--kit-shape", this.width / this.height); // a tall one must fit too
    this.viewer.classList.add("kit-editing");
    this.rest(true);
    render(this);
  }

  end() {
    this.layer.remove();
    this.part.querySelector(".kit-edit-list").replaceChildren();
    this.viewer.classList.remove("kit-editing", "kit-drawing");
    this.rest(false);
    sessions.delete(this.viewer);
  }

  rest(on) {
    this.part.querySelector(".kit-edit-tools").hidden = !on;
    this.part.querySelector('[data-edit-do="start"]').hidden = on;
  }

  add({ proposed = null, label, place }) {
    const was = proposed === null ? null : { label, place };
    const box = { key: ++this.number, proposed, label, place, was, accepted: proposed === null ? true : null };
    this.boxes.push(box);
    return box;
  }

  get box() {
    return this.boxes.find((box) => box.key === this.chosen) ?? null;
  }

  changed(box) {
    return box.was !== null && (box.label !== box.was.label || !same(box.place, box.was.place));
  }

  /** Remember how it was, then change it. */
  change(how) {
    this.history.push(structuredClone(this.boxes));
    if (this.history.length > MOST_UNDONE) this.history.shift();
    how();
    this.saved = false;
    this.say("");
    render(this);
  }

  undo() {
    if (!this.history.length) return;
    this.boxes = this.history.pop();
    this.saved = false;
    this.say("");
    render(this);
  }

  accept(box, accepted) {
    if (box.was === null) this.change(() => this.boxes.splice(this.boxes.indexOf(box), 1));
    else this.change(() => { box.accepted = accepted; });
  }

  place(box, place) {
    box.place = place.map((value, side) => rounded(within(value, 0, side % 2 ? this.height : this.width)));
    box.accepted = true;
  }

  move(box, from, right, down) {
    const [left, top, end, bottom] = from;
    const x = within(right, Math.min(0, -left), Math.max(0, this.width - end));
    const y = within(down, Math.min(0, -top), Math.max(0, this.height - bottom));
    this.place(box, [left + x, top + y, end + x, bottom + y]);
  }

  /** An answer stays until something is changed. */
  say(text, wrong = false) {
    this.told = text !== "";
    const status = this.part.querySelector(".kit-edit-status");
    status.textContent = text;
    status.classList.toggle("kit-warning", wrong);
  }

  choose(key, focus = false) {
    this.chosen = key;
    render(this);
    const row = this.part.querySelector(`.kit-edit-list > [data-key="${key}"]`);
    if (!focus || !row) return;
    row.focus({ preventScroll: true });
    row.parentElement.scrollTop = row.offsetTop - row.parentElement.offsetTop - row.offsetHeight;
  }

  // ---- what is done with a mouse, a pen or a finger

  at(event) {
    const edge = this.svg.getBoundingClientRect();
    const x = ((event.clientX - edge.left) / edge.width) * this.width;
    const y = ((event.clientY - edge.top) / edge.height) * this.height;
    return [within(x, 0, this.width), within(y, 0, this.height)];
  }

  down(event) {
    const [x, y] = this.at(event);
    const corner = event.target.dataset?.corner;
    const group = event.target.closest?.(".kit-edited");
    if (this.viewer.classList.contains("kit-drawing")) {
      this.drag = { x, y, sides: null, fresh: true };
    } else if (corner !== undefined) {
      this.drag = { x, y, sides: CORNERS[corner], from: [...this.box.place] };
    } else if (group) {
      this.choose(Number(group.dataset.key), true);
      if (this.box.accepted === false) return;
      this.drag = { x, y, sides: null, from: [...this.box.place] };
    } else {
      this.choose(null);
      return;
    }
    this.drag.pointer = event.pointerId;
    this.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  dragged(event) {
    const drag = this.drag;
    if (!drag || drag.pointer !== event.pointerId) return;
    const [x, y] = this.at(event);
    const slop = (3 * this.width) / (this.svg.clientWidth || this.width);
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < slop) return; // a click trembles
    if (!drag.moved) {
      drag.moved = true;
      this.change(() => {
        if (!drag.fresh) return;
        const label = Number(this.part.querySelector("[data-edit-new]").value);
        this.chosen = this.add({ label, place: [drag.x, drag.y, drag.x, drag.y] }).key;
      });
    }
    if (!this.box) return; // undone meanwhile
    if (drag.fresh) this.place(this.box, stretched(drag.x, drag.y, x, y, this.width, this.height));
    else if (drag.sides) this.resize(this.box, drag, x, y);
    else this.move(this.box, drag.from, x - drag.x, y - drag.y);
    render(this);
  }

  resize(box, drag, x, y) {
    const [across, down] = drag.sides;
    const held = [drag.from[2 - across], drag.from[4 - down]]; // the corner that stays
    this.place(box, stretched(held[0], held[1], x, y, this.width, this.height));
  }

  up(event) {
    const drag = this.drag;
    if (!drag || drag.pointer !== event.pointerId) return;
    this.drag = null;
    if (!drag.moved || !drag.fresh) return;
    this.viewer.classList.remove("kit-drawing");
    this.choose(this.chosen, true);
  }

  // ---- what is asked for by buttons and keys

  act(name, row) {
    const box = row ? this.boxes.find((each) => each.key === Number(row.dataset.key)) : null;
    switch (name) {
      case "accept": this.chosen = box.key; return this.accept(box, true);
      case "reject": this.chosen = box.key; return this.accept(box, false);
      case "rest": return this.change(() => this.boxes.forEach((each) => { each.accepted ??= true; }));
      case "undo": return this.undo();
      case "draw": return this.draw();
      case "add": return this.addInTheMiddle();
      case "leave": return (this.saved || window.confirm(this.texts.lose)) && this.leave();
      case "keep": return this.keep();
    }
  }

  draw() {
    const on = this.viewer.classList.toggle("kit-drawing");
    if (on) this.svg.closest(".kit-stage").scrollIntoView({ block: "nearest" }); // far above on a phone
    render(this);
  }

  leave() {
    this.end();
    this.say("");
    this.part.querySelector('[data-edit-do="start"]').focus();
  }

  addInTheMiddle() {
    const label = Number(this.part.querySelector("[data-edit-new]").value);
    const place = [3, 3, 5, 5].map((eighth, side) => rounded((eighth * (side % 2 ? this.height : this.width)) / 8));
    this.change(() => { this.chosen = this.add({ label, place }).key; });
    this.part.querySelector(".kit-edit-place input").focus();
  }

  key(event, row) {
    const box = this.boxes.find((each) => each.key === Number(row.dataset.key));
    const arrow = ARROWS[event.key];
    if (arrow && box.accepted !== false) {
      const step = event.shiftKey ? 10 : 1;
      this.change(() => this.move(box, box.place, arrow[0] * step, arrow[1] * step));
    } else if (event.key === "Delete") {
      this.accept(box, false);
    } else {
      return;
    }
    event.preventDefault();
  }

  typed(input) {
    const box = this.box;
    const inputs = all(this.part, ".kit-edit-place input");
    const values = inputs.map((each) => Number(each.value));
    const sound = values.every(Number.isFinite) && values[0] >= 0 && values[1] >= 0 && values[2] >= SMALLEST && values[3] >= SMALLEST
      && values[0] + values[2] <= this.width + 0.05 && values[1] + values[3] <= this.height + 0.05;
    for (const each of inputs) each.setCustomValidity(sound || each !== input ? "" : " ");
    if (!box || !sound) return;
    const [left, top, width, height] = values;
    const place = [left, top, Math.min(left + width, this.width), Math.min(top + height, this.height)].map(rounded);
    if (!same(place, box.place)) this.change(() => this.place(box, place));
  }

  // ---- what the server is told

  decision(box) {
    if (box.was === null) return { decision: "drawn", name: this.classes[box.label], box: box.place };
    if (!box.accepted) return { decision: "rejected", proposed: box.proposed };
    if (!this.changed(box)) return { decision: "accepted", proposed: box.proposed };
    return {
      decision: "changed",
      proposed: box.proposed,
      ...(box.label !== box.was.label && { name: this.classes[box.label] }),
      ...(!same(box.place, box.was.place) && { box: box.place }),
    };
  }

  async keep() {
    const { id } = JSON.parse(this.viewer.dataset.kit);
    const body = JSON.stringify({ threshold: this.threshold, boxes: this.boxes.map((box) => this.decision(box)) });
    const button = this.part.querySelector('[data-edit-do="keep"]');
    button.disabled = true;
    this.saved = true; // unless something is changed meanwhile
    try {
      const answer = await fetch(`kit/keep/${id}`, { method: "POST", body, headers: { "content-type": "application/json" } });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.detail ?? answer.statusText);
      this.say(fill(told.replaced ? this.texts.replaced : this.texts.kept, told));
    } catch (error) {
      this.saved = false;
      this.say(fill(this.texts.failed, { why: error.message }), true);
    }
    render(this);
  }
}
