// Keys, and nothing else: every page works without it.
"use strict";

const keys = document.getElementById("keys");
let going = false;

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

function move(step) {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a"));
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + step))];
  next.querySelector("a").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || keys.open) return;
  if (going) {
    going = false;
    const target = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (target) target.click();
    return;
  }
  const search = document.querySelector("main [data-search]");
  if (event.key === "g") going = true;
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "?") keys.showModal();
  else if (event.key === "/" && search) search.focus();
  else return;
  event.preventDefault();
});

document.querySelector("[data-keys]").addEventListener("click", () => keys.showModal());

// A second press would only be refused, with a page that frightens. Back brings the button back.
const pressed = [];
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.target.method !== "post" || button.name) return;
  pressed.push(button);
  setTimeout(() => { button.disabled = true; }, 0);
});
window.addEventListener("pageshow", () => {
  for (const button of pressed.splice(0)) button.disabled = false;
});
