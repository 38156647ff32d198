// The visitor's camera, its frames as JPEG, and the numbers of the last seconds: what live.js is made
// of.
"use strict";

(() => {
  const QUALITY = 0.85;
  const TOLD_OVER = 5000; // ms that the numbers are of

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

  /** Something that paints a frame, in memory only. */
  function easel() {
    return typeof OffscreenCanvas === "undefined" ? document.createElement("canvas") : new OffscreenCanvas(1, 1);
  }

  function asJpeg(canvas) {
    if (canvas.convertToBlob) return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  }

  /** Once what was drawn is on the screen. */
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

  /** The visitor's camera: calls back for each of its frames, and counts them. */
  class OwnCamera {
    constructor(video, fresh, gone) {
      Object.assign(this, { video, fresh, gone, frames: 0, first: null });
    }

    async open(id) {
      const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
      const which = id ? { deviceId: { exact: id } } : { facingMode: { ideal: "environment" } };
      const stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, ...which }, audio: false });
      if (this.closed) return stream.getTracks().forEach((track) => track.stop());
      this.stream = stream;
      stream.getVideoTracks()[0].addEventListener("ended", this.gone);
      this.video.srcObject = stream;
      await this.video.play();
      this.wait();
    }

    wait() {
      if (this.closed) return;
      if (this.video.requestVideoFrameCallback) {
        this.video.requestVideoFrameCallback((now, told) => {
          this.first ??= told.presentedFrames - 1;
          const captured = told.captureTime > now - 5000 && told.captureTime <= now ? told.captureTime : now;
          this.came(told.presentedFrames - this.first, captured);
        });
      } else {
        requestAnimationFrame((now) => {
          if (this.video.currentTime === this.at) return this.wait();
          this.at = this.video.currentTime;
          this.came(this.frames + 1, now);
        });
      }
    }

    came(frames, captured) {
      if (this.closed) return;
      this.frames = frames;
      this.wait();
      this.fresh(captured);
    }

    close() {
      this.closed = true;
      this.stream?.getTracks().forEach((track) => track.stop());
      this.video.srcObject = null;
    }
  }

  /** Numbers of the last seconds. */
  class Tally {
    constructor() {
      this.shown = [];
      this.began = performance.now();
    }

    add(age, stages) {
      this.shown.push({ at: performance.now(), age, stages });
    }

    get recent() {
      const since = performance.now() - TOLD_OVER;
      this.shown = this.shown.filter(({ at }) => at >= since);
      return this.shown;
    }

    get rate() {
      const seconds = Math.min(TOLD_OVER, performance.now() - this.began) / 1000;
      return this.recent.length / Math.max(seconds, 0.5);
    }

    get age() {
      return median(this.recent.map(({ age }) => age).filter((age) => age !== null));
    }

    get stages() {
      const told = this.recent.map(({ stages }) => stages);
      return Object.keys(told.at(-1) ?? {}).map((name) => [name, median(told.map((each) => each[name] ?? 0))]);
    }

    /** Milliseconds of all stages. */
    get spent() {
      return this.stages.reduce((sum, [, ms]) => sum + ms, 0);
    }
  }

  /** Cameras by name; browsers tell names only after consent. */
  async function list(section, words) {
    const select = section.querySelector(".kit-source");
    const chosen = select.value;
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
    if (cameras.length < 2) return;
    const options = cameras.map(({ deviceId, label }, index) => new Option(label || fill(words.camera, { number: index + 1 }), `mine:${deviceId}`));
    const own = section.kitRun?.camera?.stream?.getVideoTracks()[0]?.getSettings().deviceId;
    for (const option of [...select.options]) if (option.value.startsWith("mine:")) option.remove();
    select.prepend(...options);
    select.value = chosen === "mine:" ? `mine:${own ?? cameras[0].deviceId}` : chosen;
  }

  window.kitCamera = { OwnCamera, Tally, asJpeg, easel, fill, list, painted };
})();
