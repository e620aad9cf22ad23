"use strict";
const $ = id => document.getElementById(id), stage = $("stage"), search = $("search"), caption = $("caption");
const data = JSON.parse($("data").textContent);
const idOf = g => g.dataset.id || g.querySelector("title").textContent.replace(/:[a-z0-9:]+/g, "");
const levels = [...stage.querySelectorAll(".level")].map((div, k) => {
  const svg = div.querySelector("svg"), facts = data.levels[k], after = {}, parts = {};
  for (const [tail, head] of facts.links) (after[tail] ??= []).push(head);
  for (const g of svg.querySelectorAll(".node, .edge")) {
    if (/^h[lm]\d+$/.test(idOf(g))) g.classList.remove("node");  // the text of a frame
    else (parts[idOf(g)] ??= []).push(g);
  }
  for (const [id, [[, name], ...rest]] of Object.entries(facts.details)) {
    for (const g of parts[id] || []) {
      g.setAttribute("tabindex", "0"); g.setAttribute("role", "button");
      g.setAttribute("aria-label", name + ", " + rest.slice(0, 4).map(p => p.join(" ")).join(", "));
    }
  }
  svg.setAttribute("role", "group");
  const range = g => /^s(\d+)_(\d+)$/.exec(g.getAttribute("class") || "");
  const moving = [...svg.querySelectorAll("g")].map(g => [g, range(g)]).filter(p => p[1]);
  const home = svg.getAttribute("viewBox").split(/[ ,]+/).map(Number);
  return {div, svg, ...facts, after, parts, moving, home, view: home.slice(), step: facts.captions.length - 1};
});
let now = levels[data.start], opened = null, hits = [], hit = -1;

function tell(text) { caption.textContent = text; }
function show(k) {
  const last = now.captions.length - 1;
  now.step = Math.max(0, Math.min(last, k));
  for (const [g, r] of now.moving) g.style.visibility = +r[1] <= now.step && now.step <= +r[2] ? "visible" : "hidden";
  $("back").hidden = $("next").hidden = last < 0;
  $("back").disabled = now.step <= 0; $("next").disabled = now.step >= last;
  if (last >= 0) tell("step " + now.step + " of " + last + ": " + now.captions[now.step]);
}
function turn(k) {
  if (k < 0 || k >= levels.length) return;
  now = levels[k];
  for (const level of levels) level.div.hidden = level !== now;
  $("fold").hidden = $("unfold").hidden = levels.length < 2;
  $("fold").disabled = k === 0; $("unfold").disabled = k === levels.length - 1;
  close(); path(null); tell(levels.length > 1 ? "level " + (k + 1) + " of " + levels.length : "");
  show(now.step); look(); find(search.value);
}
function look() { now.svg.setAttribute("viewBox", now.view.join(" ")); }
function zoom(f, x, y) {
  const v = now.view;
  x ??= v[0] + v[2] / 2; y ??= v[1] + v[3] / 2;
  now.view = [x - (x - v[0]) * f, y - (y - v[1]) * f, v[2] * f, v[3] * f]; look();
}
function fit() { now.view = now.home.slice(); look(); }
function pan(right, down) { now.view[0] += right * now.view[2] / 10; now.view[1] += down * now.view[3] / 10; look(); }
function point(x, y) {
  const p = new DOMPoint(x, y).matrixTransform(now.svg.getScreenCTM().inverse());
  return [p.x, p.y];
}
function find(text) {
  hits = []; hit = -1;
  for (const t of now.svg.querySelectorAll("text")) {
    const seen = getComputedStyle(t).visibility !== "hidden";
    const found = seen && text !== "" && t.textContent.toLowerCase().includes(text.toLowerCase());
    t.classList.toggle("hit", found); if (found) hits.push(t);
  }
  if (text) tell(hits.length + " found");
}
function nextHit() {
  if (!hits.length) return;
  hit = (hit + 1) % hits.length;
  const box = hits[hit].getBoundingClientRect(), [x, y] = point(box.x + box.width / 2, box.y + box.height / 2);
  now.view[0] = x - now.view[2] / 2; now.view[1] = y - now.view[3] / 2; look();
  tell(hit + 1 + " of " + hits.length + ": " + hits[hit].textContent);
}
function path(id) {
  for (const g of now.svg.querySelectorAll(".on")) g.classList.remove("on");
  now.svg.classList.toggle("path", id !== null);
  const light = name => { for (const g of now.parts[name] || []) g.classList.add("on"); };
  const todo = id === null ? [] : [id], seen = new Set(todo);
  while (todo.length) {
    const here = todo.pop();
    light(here);
    for (const head of now.after[here] || []) {
      light(here + "->" + head);
      if (!seen.has(head)) { seen.add(head); todo.push(head); }
    }
  }
}
function open(id) {
  const facts = now.details[id];
  if (!facts) return;
  $("what").textContent = facts[0][1];
  $("facts").replaceChildren(...facts.slice(1).flatMap(([label, text]) => [["dt", label], ["dd", text]].map(([tag, t]) => {
    const e = document.createElement(tag); e.textContent = t; return e;
  })));
  $("panel").hidden = false; opened = id;
}
function close() {
  const visible = g => getComputedStyle(g).visibility !== "hidden";
  if (opened !== null && $("panel").contains(document.activeElement)) (now.parts[opened] || []).find(visible)?.focus();
  $("panel").hidden = true; opened = null;
}
function theme() {
  const chosen = document.documentElement.dataset;
  const dark = chosen.theme ? chosen.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  chosen.theme = dark ? "light" : "dark";
}
const at = () => levels.indexOf(now);
const does = {
  back: () => show(now.step - 1), next: () => show(now.step + 1), fold: () => turn(at() - 1), unfold: () => turn(at() + 1),
  closer: () => zoom(0.8), farther: () => zoom(1.25), fit, theme, close,
};
for (const [id, f] of Object.entries(does)) $(id).addEventListener("click", () => f());
search.addEventListener("input", () => find(search.value));
const keys = {
  ArrowLeft: does.back, ArrowRight: does.next, f: does.fold, u: does.unfold, "+": does.closer, "-": does.farther,
  "0": fit, d: theme, "/": () => search.focus(), Escape: close,
};
const shifted = {
  ArrowLeft: () => pan(-1, 0), ArrowRight: () => pan(1, 0), ArrowUp: () => pan(0, -1), ArrowDown: () => pan(0, 1),
};
const nodeOf = e => e.target instanceof Element ? e.target.closest(".node") : null;
addEventListener("keydown", e => {
  if (e.target === search) {
    if (e.key === "Escape") { search.value = ""; find(""); search.blur(); }
    if (e.key === "Enter") nextHit();
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const node = nodeOf(e);
  if (node && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); open(idOf(node)); return; }
  const f = e.shiftKey && shifted[e.key] || keys[e.key];
  if (f) { e.preventDefault(); f(); }
});
stage.addEventListener("wheel", e => {
  e.preventDefault(); zoom(e.deltaY > 0 ? 1.1 : 0.9, ...point(e.clientX, e.clientY));
}, {passive: false});
let held = null;
stage.addEventListener("pointerdown", e => {
  held = {at: point(e.clientX, e.clientY), x: e.clientX, y: e.clientY, node: nodeOf(e), moved: false};
});
stage.addEventListener("pointermove", e => {
  if (!held) return;
  if (!held.moved && Math.hypot(e.clientX - held.x, e.clientY - held.y) < 4) return;
  if (!held.moved) stage.setPointerCapture(e.pointerId);
  held.moved = true;
  const [x, y] = point(e.clientX, e.clientY);
  now.view[0] += held.at[0] - x; now.view[1] += held.at[1] - y; look();
});
stage.addEventListener("pointerup", () => {
  if (held && !held.moved && held.node) open(idOf(held.node));
  held = null;
});
stage.addEventListener("pointercancel", () => { held = null; });
for (const enter of ["pointerover", "focusin"]) stage.addEventListener(enter, e => {
  const node = nodeOf(e);
  path(node ? idOf(node) : null);
});
for (const leave of ["pointerleave", "focusout"]) stage.addEventListener(leave, () => path(null));
turn(data.start);
