// Shows what the chosen detector is worth: once the tab is there, and when another is chosen.
"use strict";

(() => {
  async function tell(place) {
    const name = document.querySelector(".kit-bundle")?.value ?? "";
    if (place.dataset.bundle === name) return;
    place.dataset.bundle = name;
    try {
      const answer = await fetch(`kit/worth?${new URLSearchParams({ bundle: name })}`);
      const text = await answer.text();
      if (place.dataset.bundle !== name) return; // another was chosen meanwhile
      if (answer.ok) place.innerHTML = text; // made by the server, escaped
      else place.textContent = JSON.parse(text).detail ?? answer.statusText;
    } catch (error) {
      place.textContent = error.message;
    }
  }

  const look = () => document.querySelectorAll(".kit-worth-of").forEach(tell);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".kit-bundle")) look();
  });
})();
