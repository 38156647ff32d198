// Takes pictures that are dropped, pasted or chosen, and shows what the server says of each. Only
// their bytes travel: no name, and nothing is written on the way.
"use strict";

(() => {
  const bundle = () => document.querySelector(".kit-bundle")?.value ?? "";

  /** Which detectors: those that a section has selects of its own for, else the page's one. */
  function chosen(section) {
    const own = Array.from(section.querySelectorAll("select[name]"), (select) => [select.name, select.value]);
    return own.length ? Object.fromEntries(own) : { bundle: bundle() };
  }

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");

  function warning(text) {
    const line = document.createElement("p");
    line.className = "kit-warning";
    line.setAttribute("role", "alert");
    line.textContent = text;
    return line;
  }

  function parsed(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html; // made by the server, every name in it escaped
    return holder.content.firstElementChild;
  }

  /** The answer as an element: a viewer, or a warning that says why not. */
  async function ask(address, body, title, texts) {
    try {
      const answer = await fetch(address, { method: "POST", body, headers: { "content-type": "application/octet-stream" } });
      if (answer.ok) return parsed(await answer.text());
      const told = await answer.json().catch(() => ({}));
      return warning(fill(texts.failed, { title, why: told.detail ?? answer.statusText }));
    } catch (error) {
      return warning(fill(texts.failed, { title, why: error.message }));
    }
  }

  async function show(section, files, sample = "") {
    const results = section.querySelector(".kit-results");
    const status = section.querySelector(".kit-status");
    const texts = section.dataset;
    const turn = (section.kitTurn = (section.kitTurn ?? 0) + 1);
    if (!section.querySelector("input[multiple]")) files = files.slice(0, 1);
    results.replaceChildren();
    section.setAttribute("aria-busy", "true");
    for (const [index, file] of files.entries()) {
      const title = fill(texts.number, { number: index + 1, count: files.length });
      status.textContent = title;
      const query = new URLSearchParams({ ...chosen(section), title: files.length > 1 ? title : "", sample });
      const element =
        file.size > texts.mostMb * 1e6
          ? warning(fill(texts.failed, { title, why: texts.tooLarge }))
          : await ask(`${texts.intake}?${query}`, file, title, texts);
      if (turn !== section.kitTurn) return; // others were chosen meanwhile
      results.append(element);
    }
    status.textContent = "";
    section.removeAttribute("aria-busy");
  }

  /** Another detector was chosen: the same pictures again. */
  async function again(section) {
    const texts = section.dataset;
    const turn = (section.kitTurn = (section.kitTurn ?? 0) + 1);
    for (const before of section.querySelectorAll(".kit-results > *")) {
      // a picture that once failed still knows which it was
      const { id, title } = before.kitPicture ?? { ...JSON.parse(before.dataset.kit ?? "{}"), title: before.querySelector("h3")?.textContent ?? "" };
      if (!id) continue;
      const query = new URLSearchParams({ ...chosen(section), title });
      const element = await ask(`${texts.intake}/${id}?${query}`, null, title, texts);
      if (turn !== section.kitTurn) return; // another was chosen meanwhile
      if (!element.dataset.kit) element.kitPicture = { id, title };
      before.replaceWith(element);
    }
  }

  /** Samples are of one detector: those of others are hidden. */
  const sort = () => {
    for (const row of document.querySelectorAll(".kit-samples")) row.hidden = row.dataset.of !== bundle();
  };
  new MutationObserver(sort).observe(document, { childList: true, subtree: true });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-sample]");
    if (button) show(button.closest("[data-intake]"), [new Blob()], button.dataset.sample);
  });

  const intakeOf = (event) => (event.target instanceof Element ? event.target.closest("[data-intake]") : null);

  document.addEventListener("change", (event) => {
    const section = intakeOf(event);
    if (event.target.matches?.(".kit-bundle")) {
      sort();
      document.querySelectorAll("[data-intake]:not(:has(select[name]))").forEach(again);
      return;
    }
    if (section && event.target.matches("select[name]")) {
      again(section);
      return;
    }
    if (!section || !event.target.matches("input[type=file]")) return;
    show(section, Array.from(event.target.files));
    event.target.value = ""; // so that the same file can be chosen again
  });

  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const section = intakeOf(event);
      if (!section) return;
      event.preventDefault();
      section.classList.toggle("kit-over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) show(section, Array.from(event.dataTransfer.files));
    });
  }

  document.addEventListener("paste", (event) => {
    const files = Array.from(event.clipboardData?.files ?? []).filter((file) => file.type.startsWith("image/"));
    const section = Array.from(document.querySelectorAll("[data-intake]")).find((each) => each.offsetParent);
    if (files.length && section) show(section, files);
  });
})();
