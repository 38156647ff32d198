// A camera that is looked at as it runs: the visitor's own, whose frames travel to the server, or one
// of the server's, whose frames come from there. The newest frame wins: two are under way at most,
// and what is shown is the very frame that its boxes were found on.
"use strict";

(() => {
  const IN_FLIGHT = 2;
  const LEAD = 30; // ms before the server is expected to be free that the next frame leaves
  const HIDDEN_FOR = 20000; // ms out of sight, then it stops
  const STAYS = 2000; // ms that a warning stays after the last frame that had it
  const HEAD = 4; // bytes before a frame: its number, or the length of what is said of it

  const { OwnCamera, Tally, asJpeg, easel, fill, list, painted } = window.kitCamera;
  const bundle = () => document.querySelector(".kit-bundle")?.value ?? "";
  const usable = () => window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
  const inSight = (element) => element.isConnected && element.getClientRects().length > 0;
  const WHY = {
    NotAllowedError: "refused",
    SecurityError: "refused",
    NotFoundError: "absent",
    OverconstrainedError: "absent",
    NotReadableError: "busy",
    AbortError: "busy",
  };

  /** One run, from start to stop. */
  class Run {
    constructor(section) {
      Object.assign(this, { section, words: JSON.parse(section.dataset.say), easels: [easel(), easel()] });
      const [kind, id] = section.querySelector(".kit-source").value.split(/:(.*)/s);
      Object.assign(this, { id, theirs: kind === "server" });
    }

    async start() {
      this.buttons(true);
      this.complain();
      if (!this.theirs) {
        this.say(this.words.asking);
        const video = this.section.querySelector("video");
        this.camera = new OwnCamera(video, (captured) => this.fresh(captured), () => this.stop(this.words.unplugged, true));
        try {
          await this.camera.open(this.id);
        } catch (error) {
          const known = this.words[WHY[error.name]];
          return this.stop(known ?? fill(this.words.failed, { why: error.message }), true);
        }
        if (this.over) return;
        list(this.section, this.words);
      }
      this.connect();
      this.clock = setInterval(() => this.tell(), 500);
    }

    connect() {
      this.socket?.close(1000);
      Object.assign(this, { ready: false, sequence: 0, flying: new Map(), spare: [...this.easels], waiting: null });
      Object.assign(this, { encoding: false, running: false, looks: 0, dropped: 0, start: this.camera?.frames ?? 0, tally: new Tally(), cautions: new Map() });
      this.say(this.words.connecting);
      const query = new URLSearchParams({ bundle: bundle(), ...(this.theirs ? { camera: this.id } : {}) });
      const address = new URL(`kit/live?${query}`, document.baseURI);
      address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
      const socket = (this.socket = new WebSocket(address));
      socket.binaryType = "arraybuffer";
      let order = Promise.resolve(); // what comes is shown in its order
      const mine = () => socket === this.socket && !this.over;
      socket.onmessage = ({ data }) => {
        order = order.then(() => mine() && (typeof data === "string" ? this.heard(JSON.parse(data)) : this.saw(data, mine)));
        order = order.catch((error) => mine() && this.stop(fill(this.words.failed, { why: error.message }), true));
      };
      socket.onclose = () => order.then(() => mine() && this.stop(this.words.lost, true));
    }

    heard(told) {
      if (told.kind === "ready") return this.begin(told);
      if (told.kind === "looked") return this.looked(told);
      if (told.kind === "end") return this.stop(told.why, true);
      if (told.kind === "wrong" && told.sequence !== null) this.land(told.sequence);
      this.trouble(told.why);
      this.send();
    }

    /** What is shown is not what the camera sees now. */
    trouble(why) {
      const [there] = this.section.querySelectorAll(".kit-troubles > *");
      if (there?.textContent !== why) this.complain(why); // it is read aloud: once
      this.viewer.classList.add("kit-stale");
    }

    /** No frame of another camera stays. */
    clear() {
      this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.viewer.classList.remove("kit-stale");
      this.viewer.querySelector('[data-number="stages"]').textContent = "";
      window.kitViewer.redraw(this.viewer, { width: this.canvas.width, height: this.canvas.height, detections: [] });
    }

    begin({ viewer, side, bundle: name }) {
      this.side = side;
      const results = this.section.querySelector(".kit-results");
      if (results.dataset.bundle !== name || !results.firstElementChild) {
        results.innerHTML = viewer; // made by the server, every name in it escaped
        results.dataset.bundle = name;
      }
      this.viewer = results.firstElementChild;
      this.viewer.querySelector(".kit-cautions").replaceChildren();
      this.canvas = this.viewer.querySelector("canvas");
      this.clear();
      this.say(this.theirs ? this.words.waiting : this.words.running);
      this.ready = true;
      this.send();
    }

    /** The camera has a frame; the video holds it until there is room, or a newer one comes. */
    fresh(captured) {
      this.waiting = captured;
      this.send();
    }

    /** Whether another frame may leave. The second waits for the first, so it leaves late: when that
     * will be done soon, by what the frames before it took. */
    hasRoom() {
      clearTimeout(this.timer);
      if (this.flying.size === 0) return true;
      if (this.flying.size >= IN_FLIGHT) return false;
      const [{ captured }] = this.flying.values();
      const begun = Math.max(captured, this.answered ?? 0);
      const early = begun + this.tally.spent - LEAD - performance.now();
      if (early > 0) this.timer = setTimeout(() => this.send(), early);
      return early <= 0;
    }

    send() {
      if (this.over || !this.ready || this.encoding || this.waiting === null || !this.hasRoom()) return;
      const { video } = this.camera;
      const scale = Math.min(1, this.side / Math.max(video.videoWidth, video.videoHeight));
      if (!Number.isFinite(scale)) return; // no size yet
      const canvas = this.spare.pop();
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      const sequence = (this.sequence += 1);
      this.flying.set(sequence, { canvas, captured: this.waiting });
      this.waiting = null;
      this.post(sequence, canvas).catch((error) => this.stop(fill(this.words.failed, { why: error.message }), true));
    }

    /** One after another, so that they arrive in their order. */
    async post(sequence, canvas) {
      const { socket } = this;
      this.encoding = true;
      const head = new DataView(new ArrayBuffer(HEAD));
      head.setUint32(0, sequence);
      const message = new Blob([head, await asJpeg(canvas)]);
      if (socket !== this.socket || this.over) return;
      this.encoding = false;
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
      this.send();
    }

    /** A frame was answered; those before it were not looked at. */
    land(sequence) {
      const frame = this.flying.get(sequence);
      for (const [number, { canvas }] of this.flying) {
        if (number > sequence) continue;
        this.flying.delete(number);
        this.spare.push(canvas);
      }
      return frame;
    }

    async looked(told) {
      const frame = this.land(told.sequence);
      if (!frame) return;
      this.looks += 1;
      this.answered = performance.now();
      this.show(frame.canvas, told);
      this.send();
      painted().then(() => this.tally.add(performance.now() - frame.captured, told.stages_ms));
    }

    /** A frame of the server's camera, and what was found on it. */
    async saw(data, mine) {
      const length = new DataView(data).getUint32(0);
      const told = JSON.parse(new TextDecoder().decode(data.slice(HEAD, HEAD + length)));
      const picture = await createImageBitmap(new Blob([data.slice(HEAD + length)], { type: "image/jpeg" }));
      if (!mine()) return;
      this.dropped = told.dropped;
      this.show(picture, told);
      picture.close();
      await painted();
      this.tally.add(told.age_ms, told.stages_ms);
      const shown = new DataView(new ArrayBuffer(HEAD));
      shown.setUint32(0, told.sequence);
      if (mine() && this.socket.readyState === WebSocket.OPEN) this.socket.send(shown);
    }

    show(picture, told) {
      const { canvas } = this;
      if (canvas.width !== picture.width) canvas.width = picture.width;
      if (canvas.height !== picture.height) canvas.height = picture.height;
      canvas.getContext("2d").drawImage(picture, 0, 0);
      window.kitViewer.redraw(this.viewer, told);
      if (!this.running) this.say(this.words.running);
      this.running = true;
      if (this.viewer.classList.contains("kit-stale")) this.complain();
      this.viewer.classList.remove("kit-stale");
      const now = performance.now();
      for (const text of told.warnings) this.cautions.set(text, now + STAYS);
      if (told.drifted) this.cautions.set(this.words.drifted, Infinity);
      this.caution(now);
    }

    /** Warnings of the last frames. They are read aloud, so each is put in once. */
    caution(now) {
      const place = this.viewer.querySelector(".kit-cautions");
      for (const [text, until] of this.cautions) if (until < now) this.cautions.delete(text);
      for (const line of [...place.children]) if (!this.cautions.has(line.textContent)) line.remove();
      const there = new Set([...place.children].map((line) => line.textContent));
      for (const text of this.cautions.keys()) if (!there.has(text)) place.append(warning(text));
    }

    tell() {
      if (!inSight(this.section)) return this.stop(this.words.unseen);
      if (!this.viewer || !this.ready) return;
      this.caution(performance.now());
      const put = (name, text) => (this.viewer.querySelector(`[data-number="${name}"]`).textContent = text);
      const { rate, age, stages, spent: total } = this.tally;
      if (!this.theirs) {
        const under = this.flying.size + (this.waiting === null ? 0 : 1);
        this.dropped = Math.max(0, this.camera.frames - this.start - this.looks - under);
      }
      put("rate", rate.toFixed(1));
      put("age", age === undefined ? "\u2013" : `${Math.round(age)} ms`);
      put("dropped", this.dropped);
      const named = JSON.parse(this.viewer.dataset.stages);
      const spent = stages.map(([name, ms]) => `${named[name] ?? name} ${ms.toFixed(1)}`).join(", ");
      if (spent) put("stages", `${this.viewer.dataset.time}: ${total.toFixed(1)} ms (${spent})`);
    }

    say(text) {
      this.section.querySelector(".kit-status").textContent = text;
    }

    complain(...texts) {
      this.section.querySelector(".kit-troubles").replaceChildren(...texts.map(warning));
    }

    buttons(running) {
      this.section.querySelector(".kit-start").disabled = running;
      this.section.querySelector(".kit-stop").disabled = !running;
    }

    stop(why = this.words.stopped, wrong = false) {
      if (this.over) return;
      this.over = true;
      clearInterval(this.clock);
      this.camera?.close();
      clearTimeout(this.timer);
      this.socket?.close(1000);
      if (wrong) this.viewer?.classList.add("kit-stale");
      this.buttons(false);
      this.say(wrong ? this.words.stopped : why);
      if (wrong) this.complain(why);
    }
  }

  function warning(text) {
    const line = document.createElement("p");
    line.className = "kit-warning";
    line.setAttribute("role", "alert");
    line.textContent = text;
    return line;
  }

  const sections = () => document.querySelectorAll(".kit-live");

  function begin(section) {
    section.kitRun?.stop();
    section.kitRun = new Run(section);
    section.kitRun.start();
  }

  const running = (section) => section?.kitRun && !section.kitRun.over;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".kit-start, .kit-stop");
    const section = button?.closest(".kit-live");
    if (!section) return;
    if (button.matches(".kit-start")) begin(section);
    else section.kitRun?.stop();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".kit-bundle")) {
      for (const section of sections()) if (running(section) && section.kitRun.socket) section.kitRun.connect();
    }
    const section = event.target.closest?.(".kit-live");
    if (section && event.target.matches(".kit-source")) {
      offer(section);
      if (running(section)) begin(section);
    }
  });

  let hidden;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    const stop = () => sections().forEach((section) => section.kitRun?.stop(section.kitRun.words.unseen));
    if (document.hidden) hidden = setTimeout(stop, HIDDEN_FOR);
  });

  window.addEventListener("pagehide", () => sections().forEach((section) => section.kitRun?.stop()));

  /** What can't work is said before it is tried. */
  function offer(section) {
    section.dataset.ready = "yes";
    const dark = !usable() && section.querySelector(".kit-source").value.startsWith("mine:");
    section.querySelector(".kit-insecure").hidden = !dark;
    if (!running(section)) section.querySelector(".kit-start").disabled = dark;
  }

  const look = () => document.querySelectorAll(".kit-live:not([data-ready])").forEach(offer);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", look);
})();
