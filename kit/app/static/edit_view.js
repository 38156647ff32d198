// How the boxes under correction look: lines and handles over the picture, a row for each in the list.

const SVG = "http://www.w3.org/2000/svg";
const HANDLE = 7; // CSS pixels from a handle's middle to its side

/** Of a box, from its top left clockwise: which of its four sides each one moves. */
export const CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]];
export const all = (root, selector) => Array.from(root.querySelectorAll(selector));
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
/** To a tenth of a pixel. */
export const rounded = (value) => Math.round(value * 10) / 10;

const area = ({ place: [left, top, end, bottom] }) => (end - left) * (bottom - top);

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Show a session's boxes as they are now; what has the focus keeps it. */
export function render(session) {
  const boxes = [...session.boxes].sort((one, other) => area(other) - area(one)); // small ones on top
  session.layer.replaceChildren(...boxes.map((box) => drawn(session, box)), ...handles(session));
  const list = session.part.querySelector(".kit-edit-list");
  const rows = new Map(Array.from(list.children, (row) => [Number(row.dataset.key), row]));
  const focus = document.activeElement;
  session.boxes.forEach((box, index) => {
    const row = rows.get(box.key) ?? newRow(session, box.key);
    rows.delete(box.key);
    update(session, row, box, index + 1);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  for (const row of rows.values()) row.remove();
  if (focus?.isConnected && focus !== document.activeElement) focus.focus({ preventScroll: true });
  showPlace(session);
  showCount(session);
}

function drawn(session, box) {
  const [left, top, end, bottom] = box.place;
  const state = box.accepted === null ? "open" : box.accepted ? "true" : "false";
  const at = { x: left, y: top, width: Math.max(0, end - left), height: Math.max(0, bottom - top) };
  const chosen = box.key === session.chosen ? " kit-on" : "";
  const group = shape("g", { class: `kit-edited kit-${state}${chosen}`, "data-key": box.key });
  const line = shape("rect", { ...at, class: "kit-line", stroke: session.colours[box.label] });
  group.append(shape("rect", { ...at, class: "kit-rim" }), line);
  return group;
}

function handles(session) {
  const box = session.box;
  if (!box || box.accepted === false || session.viewer.classList.contains("kit-drawing")) return [];
  const half = (HANDLE * session.width) / (session.svg.clientWidth || session.width);
  return CORNERS.map(([x, y], corner) =>
    shape("rect", { x: box.place[x] - half, y: box.place[y] - half, width: 2 * half, height: 2 * half, class: "kit-handle", "data-corner": corner }));
}

function newRow(session, key) {
  const select = make("select", {}, ...session.classes.map((name, label) => make("option", { value: label, textContent: name })));
  const button = (action, text) => {
    const element = make("button", { type: "button", className: "kit-button", textContent: text });
    element.dataset.editDo = action;
    return element;
  };
  const row = make("li", { tabIndex: 0 },
    make("span", { className: "kit-swatch" }), make("span", { className: "kit-edit-name" }), select,
    button("accept", session.texts.accept), button("reject", session.texts.reject));
  row.dataset.key = key;
  return row;
}

function update(session, row, box, number) {
  const [name, select] = [row.querySelector(".kit-edit-name"), row.querySelector("select")];
  row.querySelector(".kit-swatch").style.background = session.colours[box.label];
  name.textContent = number;
  select.value = box.label;
  select.setAttribute("aria-label", fill(session.texts.classOf, { number }));
  row.setAttribute("aria-label", fill(session.texts.box, { number }));
  row.setAttribute("aria-current", String(box.key === session.chosen));
  const [accept, reject] = all(row, "button");
  accept.hidden = box.was === null;
  accept.setAttribute("aria-pressed", String(box.accepted === true));
  reject.setAttribute("aria-pressed", String(box.accepted === false));
  reject.textContent = box.was === null ? session.texts.remove : session.texts.reject;
  for (const button of [accept, reject]) button.setAttribute("aria-label", `${button.textContent}: ${row.getAttribute("aria-label")}`);
  row.classList.toggle("kit-false", box.accepted === false);
}

function showPlace(session) {
  const fields = session.part.querySelector(".kit-edit-place");
  const box = session.box;
  fields.disabled = !box;
  const [left, top, end, bottom] = box?.place ?? [];
  const values = [left, top, end - left, bottom - top];
  for (const input of all(fields, "input")) {
    const value = box ? String(rounded(values[input.dataset.editSide])) : "";
    if (input !== document.activeElement) input.value = value;
  }
}

function showCount(session) {
  const open = session.boxes.filter((box) => box.accepted === null).length;
  const rejected = session.boxes.filter((box) => box.accepted === false).length;
  const button = (name) => session.part.querySelector(`.kit-edit-tools [data-edit-do="${name}"]`);
  button("keep").disabled = open > 0;
  button("rest").disabled = open === 0;
  button("undo").disabled = session.history.length === 0;
  button("draw").setAttribute("aria-pressed", String(session.viewer.classList.contains("kit-drawing")));
  if (session.told) return;
  const counts = { count: open, all: session.boxes.length, true: session.boxes.length - rejected, rejected };
  session.part.querySelector(".kit-edit-status").textContent = fill(open ? session.texts.open : session.texts.ready, counts);
}
