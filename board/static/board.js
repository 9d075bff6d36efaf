// What the board does beyond HTML. Every page works without it.
"use strict";

// Times in the viewer's zone; the title keeps UTC.
function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime*=T]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const two = (number) => String(number).padStart(2, "0");
    element.textContent =
      `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
  }
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no clipboard: the text is selected, for Ctrl-C.
    const typed = button.parentElement.querySelector("code");
    const range = document.createRange();
    range.selectNodeContents(typed);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    button.textContent = "Selected";
    return;
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function enableCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

// Live numbers: replaced every few seconds; if that fails, the page says since when.
const EVERY = 5000;
let lostSince = null;

function tellLost() {
  const banner = document.getElementById("lost");
  lostSince ??= new Date();
  const text = `Connection to the board lost since ${lostSince.toLocaleTimeString()}. The numbers are of then.`;
  if (banner.hidden || banner.textContent !== text) {
    banner.textContent = text;
    banner.hidden = false;
  }
}

function tellFound() {
  lostSince = null;
  document.getElementById("lost").hidden = true;
}

function showLive(values) {
  for (const element of document.querySelectorAll("[data-live]")) {
    const value = values[element.dataset.live];
    if (value === undefined || element.textContent.trim() === value.trim()) continue;
    element.textContent = value;
    element.classList.remove("changed");
    void element.offsetWidth;  // the animation begins anew
    element.classList.add("changed");
  }
}

// Each section that may be replaced, as it was served: times and buttons are changed here.
const served = new WeakMap();

function dress(root) {
  for (const section of [root, ...root.querySelectorAll("[data-fresh], #shape")]) {
    if (section.outerHTML) served.set(section, section.outerHTML);
  }
  showTimes(root);
  enableCopying(root);
}

// Other things wait or run than before: those sections are taken from a fresh page.
async function refresh() {
  const answer = await fetch(location.href, {cache: "no-store", headers: {"X-Certline-Refresh": "1"}});
  if (!answer.ok) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const section of document.querySelectorAll("[data-fresh], #shape")) {
    const other = fresh.getElementById(section.id);
    if (!other || other.outerHTML === served.get(section)) continue;
    const imported = document.importNode(other, true);
    section.replaceWith(imported);
    dress(imported);
  }
}

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/live", {cache: "no-store", signal: AbortSignal.timeout(EVERY)});
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    tellFound();
    showLive(found.values);
    const shape = document.querySelector("[data-shape]");
    // What a page follows itself, such as an order under way, may change without any number of the line's. So may
    // numbers that are counted anew because of it.
    const follows = document.querySelector("[data-follow], [data-counting]");
    if (follows || (shape && shape.dataset.shape !== found.shape)) await refresh();
  } catch {
    tellLost();
  }
}

// Keys: / searches, g and a letter opens a page, n the next page of a list, ? shows them.
let afterG = false;

function pressed(event) {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (afterG) {
    afterG = false;
    const entry = document.querySelector(`#menu a[data-key="${CSS.escape(event.key)}"]`);
    if (entry) entry.click();
    return;
  }
  if (event.key === "g") {
    afterG = true;
    setTimeout(() => { afterG = false; }, 1500);
  } else if (event.key === "/") {
    event.preventDefault();
    (document.getElementById("find") || document.querySelector("input[type=search]"))?.focus();
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  } else if (event.key === "n") {
    document.getElementById("next")?.click();
  }
}

// Numbers that are still being counted.
if (document.querySelector("[data-counting]")) setTimeout(() => location.reload(), 1000);

dress(document);
document.addEventListener("keydown", pressed);
if (!document.getElementById("login")) {
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
}

// Arrow keys on the heat map: to the day before or after, or a week away, among those that hold something.
for (const map of document.querySelectorAll(".months")) {
  map.addEventListener("keydown", (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7}[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const cells = [...map.querySelectorAll("td[class]")];
    for (let at = cells.indexOf(cell) + step; at >= 0 && at < cells.length; at += step) {
      const link = cells[at].querySelector("a");
      if (link) { link.focus(); event.preventDefault(); return; }
    }
  });
}
