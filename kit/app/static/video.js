// Sends a clip that is dropped or chosen, tells how far it is, and plays it with its boxes. Leaving
// the page cancels.
"use strict";

(() => {
  const EVERY = 500; // milliseconds between two questions
  const PATIENCE = 20; // questions in a row that get no answer
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
  const sectionOf = (event) => (event.target instanceof Element ? event.target.closest("[data-clip]") : null);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function spoken(texts, seconds) {
    const whole = Math.ceil(seconds);
    if (whole < 60) return fill(texts.seconds, { seconds: whole });
    return fill(texts.minutes, { minutes: Math.floor(whole / 60), seconds: whole % 60 });
  }

  /** What is under way in a section; another clip takes its place. */
  class Work {
    constructor(section) {
      this.section = section;
      this.texts = section.dataset;
      this.over = false;
      this.id = null;
      section.kitWork?.cancel();
      section.kitWork = this;
      section.querySelector(".kit-results").replaceChildren();
      this.working(true);
    }

    working(busy) {
      this.section.querySelector(".kit-working").hidden = !busy;
      this.section.toggleAttribute("aria-busy", busy);
      if (busy) this.bar(0);
    }

    tell(text) {
      const status = this.section.querySelector(".kit-status");
      if (status.textContent !== text) status.textContent = text;
    }

    bar(share) {
      const progress = this.section.querySelector("progress");
      if (share === null) progress.removeAttribute("value");
      else progress.value = share;
    }

    end(text, element) {
      if (this.over) return;
      this.over = true;
      this.working(false);
      this.tell(text);
      if (element) this.section.querySelector(".kit-results").replaceChildren(element);
    }

    fail(why) {
      const line = document.createElement("p");
      line.className = "kit-warning";
      line.setAttribute("role", "alert");
      line.textContent = fill(this.texts.failed, { why });
      this.end("", line);
    }

    /** Also when the page is left: the server is told whatever becomes of this page. */
    cancel() {
      this.request?.abort();
      if (this.id) fetch(`kit/clip/${this.id}`, { method: "DELETE", keepalive: true }).catch(() => {});
      this.end(this.texts.cancelled);
    }

    async start(file) {
      if (file.size > this.texts.mostMb * 1e6) return this.fail(this.texts.tooLarge);
      try {
        this.id = (await this.send(file)).id;
        if (this.over) this.cancel(); // while the answer was on its way
        await this.wait();
      } catch (error) {
        this.fail(error.message);
      }
    }

    send(file) {
      const query = new URLSearchParams({ bundle: document.querySelector(".kit-bundle")?.value ?? "" });
      const request = (this.request = new XMLHttpRequest());
      return new Promise((resolve, reject) => {
        const told = (part) => {
          this.bar(part);
          this.tell(fill(this.texts.loading, { percent: Math.floor(100 * part) }));
        };
        told(0);
        request.upload.onprogress = (event) => told(event.total ? event.loaded / event.total : 0);
        request.onload = () => {
          if (request.status === 200) resolve(request.response);
          else reject(new Error(request.response?.detail ?? request.statusText));
        };
        request.onerror = () => reject(new Error(this.texts.lost));
        request.responseType = "json";
        request.open("POST", `kit/clip?${query}`);
        request.setRequestHeader("content-type", "application/octet-stream");
        request.send(file);
      });
    }

    async wait() {
      let lost = 0;
      while (!this.over) {
        const answer = await fetch(`kit/clip/${this.id}`).catch(() => null);
        if (answer === null) {
          if ((lost += 1) > PATIENCE) throw new Error(this.texts.lost);
          await pause(EVERY);
          continue;
        }
        lost = 0;
        if (!answer.ok) return this.fail(this.texts.forgotten);
        const stand = await answer.json();
        if (this.over) return;
        if (stand.state === "done") return this.show();
        if (stand.state === "failed") return this.fail(stand.why);
        this.standing(stand);
        await pause(EVERY);
      }
    }

    standing({ state, place, frame, frames, rate, left_s: left }) {
      const { texts } = this;
      this.bar(frames && frame ? frame / frames : null);
      if (state === "waiting") this.tell(fill(texts.waiting, { place }));
      else if (!frame || rate === null) this.tell(texts.starting);
      else if (left === null) this.tell(fill(texts.lookingOn, { frame, rate }));
      else this.tell(fill(texts.looking, { frame, frames, rate, left: spoken(texts, left) }));
    }

    async show() {
      const answer = await fetch(`kit/clip/${this.id}/seen`);
      if (!answer.ok) return this.fail(this.texts.forgotten);
      const holder = document.createElement("template");
      holder.innerHTML = await answer.text(); // made by the server, every name in it escaped
      if (!this.over) this.end("", holder.content.firstElementChild);
    }
  }

  document.addEventListener("change", (event) => {
    const section = sectionOf(event);
    if (!section || !event.target.matches("input[type=file]") || !event.target.files.length) return;
    new Work(section).start(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });

  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const section = sectionOf(event);
      if (!section) return;
      event.preventDefault();
      section.classList.toggle("kit-over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) new Work(section).start(event.dataTransfer.files[0]);
    });
  }

  addEventListener("pagehide", () => {
    for (const section of document.querySelectorAll("[data-clip]")) section.kitWork?.cancel();
  });

  // The timeline: where the film is, and a way to get elsewhere.

  /** The area between the axes, in pixels of the drawing. */
  function axes(drawing) {
    const area = drawing.querySelector("[id='kit-time']").getBoundingClientRect();
    const whole = drawing.getBoundingClientRect();
    return { left: area.left - whole.left, top: area.top - whole.top, width: area.width, height: area.height };
  }

  function follow(film) {
    const timeline = film.closest(".kit-clip").querySelector(".kit-timeline");
    const drawing = timeline.querySelector(".kit-drawn");
    const { left, top, width, height } = axes(drawing);
    const share = Math.min(1, film.currentTime / Number(timeline.dataset.seconds));
    const place = { left: `${left + share * width}px`, top: `${top}px`, height: `${height}px` };
    Object.assign(drawing.querySelector(".kit-playhead").style, place);
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const section = sectionOf(event);
    if (section && event.target.matches(".kit-cancel")) section.kitWork?.cancel();
    const drawing = event.target.closest(".kit-drawn");
    if (!drawing) return;
    const timeline = drawing.closest(".kit-timeline");
    const { left, width } = axes(drawing);
    const share = (event.clientX - drawing.getBoundingClientRect().left - left) / width;
    const film = drawing.closest(".kit-clip").querySelector(".kit-film");
    film.currentTime = Math.max(0, Math.min(1, share)) * Number(timeline.dataset.seconds);
  });

  for (const kind of ["timeupdate", "seeking", "loadedmetadata"]) {
    const heard = (event) => event.target.matches?.(".kit-film") && follow(event.target);
    document.addEventListener(kind, heard, true); // these don't bubble
  }
})();
