// What makes the pages quicker to use. Everything works without it.

"use strict";

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById("search")?.focus();
  }
});

// On a phone, menus scroll: to the page that is shown.
for (const current of document.querySelectorAll("nav [aria-current]")) {
  current.parentElement.scrollLeft = current.offsetLeft - current.parentElement.offsetLeft - 40;
}

// A box that selects all boxes of its form, and the number of those that are selected.
function selectAll(all) {
  const form = all.closest("form");
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  const told = form.querySelector("[data-selected]");
  const matching = form.querySelector("input[name=all]");
  const words = (number) => {
    if (matching?.checked) return "All that match are selected";
    return number === 0 ? "None selected" : `${number} selected`;
  };
  const tell = () => {
    const number = boxes.filter((box) => box.checked).length;
    all.checked = number > 0 && number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
    if (told) told.textContent = words(number);
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  form.addEventListener("change", tell);
  tell();
}
for (const all of document.querySelectorAll("[data-selects-all]")) selectAll(all);

// A field that was refused is described by what is wrong with it. The first one gets the focus.
const refused = [...document.querySelectorAll(".field > .wrong")];
for (const [index, error] of refused.entries()) {
  const input = error.parentElement.querySelector("input, select, textarea");
  if (!input) continue;
  error.id ||= `wrong-${index}`;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", error.id);
  if (index === 0) input.focus();
}

// Reads a chosen file into the text field that it names: UTF-8, or else Latin-1.
for (const chooser of document.querySelectorAll("input[type=file][data-into]")) {
  const target = document.getElementById(chooser.dataset.into);
  chooser.addEventListener("change", async () => {
    const bytes = await chooser.files[0]?.arrayBuffer();
    if (!bytes) return;
    try {
      target.value = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      target.value = new TextDecoder("windows-1252").decode(bytes);
    }
    chooser.value = "";
    target.focus();
  });
}

// This page as it is now; null if the service does not answer at the moment, or leads to the sign-in.
async function pageNow() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null;
  }
}

// A part of the page that is loaded again every few seconds while something goes on in it, but not while somebody selects
// something there. Where the part is gone, what went on is over and has changed the rest of the page.
function keepLive(part) {
  if (!part.hasAttribute("data-live")) return;
  setTimeout(async () => {
    if (part.querySelector("input:checked") || part.contains(document.activeElement)) return keepLive(part);
    const page = await pageNow();
    if (!page) return keepLive(part);
    const next = page.getElementById(part.id);
    if (!next) return location.reload();
    part.replaceWith(next);
    for (const all of next.querySelectorAll("[data-selects-all]")) selectAll(all);
    keepLive(next);
  }, 3000);
}
for (const part of document.querySelectorAll("[data-live]")) keepLive(part);
