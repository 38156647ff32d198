// Shows what the chosen detector is worth: once the tab is there, and when another is chosen.
"use strict";

(() => {
  async function tell(place) {
    const name = document.querySelector(".kit-bundle")?.value ?? "";
    if (place.dataset.bundle === name) return;
    place.dataset.bundle = name;
    const answer = await fetch(`kit/worth?${new URLSearchParams({ bundle: name })}`);
    if (place.dataset.bundle === name) place.innerHTML = await answer.text(); // made by the server, escaped
  }

  const look = () => document.querySelectorAll(".kit-worth-of").forEach(tell);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".kit-bundle")) look();
  });
})();
