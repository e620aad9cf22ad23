"use strict";
const $ = id => document.getElementById(id), stage = $("stage"), search = $("search"), caption = $("caption");
const data = JSON.parse($("data").textContent);
const SMALLEST = 0.8;  // pixels per point
const idOf = g => g.dataset.id || g.querySelector("title").textContent.replace(/:[a-z0-9:]+/g, "");
const pictures = [...stage.querySelectorAll(".level")].map((div, k) => {
  const facts = data.pictures[k], folds = facts.pieces ? folding(div, facts) : null;
  return {div, folds, svg: div.querySelector("svg"), captions: [], ...facts, step: (facts.captions || []).length - 1};
});
let now = pictures[data.start], opened = null, hits = [], hit = -1;

function prepare(picture) {
  const {svg, details, folds} = picture, after = picture.after = {}, parts = picture.parts = {};
  if (folds) Object.assign(picture, folds.draw());
  else picture.size = svg.getAttribute("viewBox").split(/[ ,]+/).map(Number);
  for (const [tail, head] of picture.links) (after[tail] ??= []).push(head);
  for (const g of svg.querySelectorAll(".node, .edge")) {
    const id = idOf(g), facts = factsOf(picture, id), node = folds?.node(id);
    if (/^h[lm]\d+$/.test(id)) { g.classList.remove("node"); continue; }  // the text of a frame
    (parts[id] ??= []).push(g);
    if (!facts) continue;
    g.setAttribute("tabindex", "0"); g.setAttribute("role", "button");
    if (node) g.setAttribute("aria-expanded", folds.isOpen(id));
    g.setAttribute("aria-label", facts[0][1] + ", " + facts.slice(1, 5).map(p => p.join(" ")).join(", "));
  }
  svg.setAttribute("role", "group");
  const range = g => /^s(\d+)_(\d+)$/.exec(g.getAttribute("class") || "");
  picture.moving = [...svg.querySelectorAll("g")].map(g => [g, range(g)]).filter(p => p[1]);
}
function factsOf(picture, id) {
  const told = picture.details[id.replace(/^c/, "").replace(/^r/, "u")];
  return told?.map(([label, text]) => [data.words[label], data.words[text]]);
}

function tell(text) { caption.textContent = text; }
function show(k) {
  const last = now.captions.length - 1;
  now.step = Math.max(0, Math.min(last, k));
  for (const [g, r] of now.moving) g.style.visibility = +r[1] <= now.step && now.step <= +r[2] ? "visible" : "hidden";
  $("back").hidden = $("next").hidden = last < 0;
  $("back").disabled = now.step <= 0; $("next").disabled = now.step >= last;
  if (last >= 0) tell("step " + now.step + " of " + last + ": " + now.captions[now.step].replace(/^\d+\s+/, ""));
}
function turn(k) {
  now = pictures[k];
  for (const picture of pictures) picture.div.hidden = picture !== now;
  if (!now.size) prepare(now);
  if (!now.view) { now.view = now.size.slice(); readable(); }
  close(); path(null); refresh();
}
function refresh() {  // after another picture has come, or the same folded otherwise
  $("fold").hidden = $("unfold").hidden = !pictures.some(p => p.folds);
  $("fold").disabled = now.folds ? !now.folds.opened().length : pictures.length < 2;
  $("unfold").disabled = now === pictures.at(-1) && !now.folds?.closed().length;
  tell(now.folds ? now.count + " boxes" : ""); show(now.step); look(); find(search.value);
}
function redraw() { prepare(now); path(null); refresh(); }
function fold() {
  if (!now.folds) turn(0);
  else { now.folds.fold(); redraw(); }
}
function unfold() {
  if (now.folds?.closed().length) { now.folds.unfold(); redraw(); }
  else if (now !== pictures.at(-1)) turn(1);
}
function toggle(id) {  // its upper left corner stays where it is
  const [x, y] = corner(id), key = now.folds.node(id).key;
  now.folds.toggle(id); redraw();
  const other = Object.keys(now.where).find(name => now.folds.node(name)?.key === key);
  if (!other) return id;
  const [a, b] = corner(other);
  now.view[0] += a - x; now.view[1] += b - y; look();
  now.parts[other][0].focus({preventScroll: true});
  return other;
}
function corner(id) {
  const {x, y, left} = now.where[id];
  return [x - left, y];
}
function readable() {  // where the whole would be too small to read: its upper left part
  const {width, height} = stage.getBoundingClientRect(), [x, y, w, h] = now.size;
  if (Math.min(width / w, height / h) < SMALLEST) now.view = [x, y, width, height];
}
function look() { now.svg.setAttribute("viewBox", now.view.join(" ")); }
function zoom(f, x, y) {
  const v = now.view;
  x ??= v[0] + v[2] / 2; y ??= v[1] + v[3] / 2;
  now.view = [x - (x - v[0]) * f, y - (y - v[1]) * f, v[2] * f, v[3] * f]; look();
}
function fit() { now.view = now.size.slice(); look(); }
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
  const facts = factsOf(now, id);
  if (!facts) return;
  $("what").textContent = facts[0][1];
  $("facts").replaceChildren(...facts.slice(1).flatMap(([label, text]) => [["dt", label], ["dd", text]].map(([tag, t]) => {
    const e = document.createElement(tag); e.textContent = t; return e;
  })));
  $("panel").hidden = false; opened = id;
}
function choose(id, told) {  // modules fold and unfold; an open panel tells of what is chosen
  const folds = now.folds?.node(id) && !told, name = folds ? toggle(id) : id;
  if (!folds || opened !== null) open(name);
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
const does = {
  back: () => show(now.step - 1), next: () => show(now.step + 1), fold, unfold,
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
  if (node && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); choose(idOf(node), e.shiftKey); return; }
  const f = e.shiftKey && shifted[e.key] || keys[e.key];
  if (f) { e.preventDefault(); f(); }
});
stage.addEventListener("wheel", e => {
  e.preventDefault(); zoom(e.deltaY > 0 ? 1.1 : 0.9, ...point(e.clientX, e.clientY));
}, {passive: false});
const fingers = new Map();
let held = null;
stage.addEventListener("pointerdown", e => {
  fingers.set(e.pointerId, e);
  const alone = fingers.size === 1;
  held = alone ? {at: point(e.clientX, e.clientY), x: e.clientX, y: e.clientY, node: nodeOf(e), moved: false} : null;
});
stage.addEventListener("pointermove", e => {
  if (fingers.size === 2 && fingers.has(e.pointerId)) return pinch(e);
  if (!held) return;
  if (!held.moved && Math.hypot(e.clientX - held.x, e.clientY - held.y) < 4) return;
  if (!held.moved) stage.setPointerCapture(e.pointerId);
  held.moved = true;
  const [x, y] = point(e.clientX, e.clientY);
  now.view[0] += held.at[0] - x; now.view[1] += held.at[1] - y; look();
});
function pinch(e) {  // what is between the fingers stays between them
  const measure = () => {
    const [a, b] = fingers.values();
    return [Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2];
  };
  const [far, ...from] = measure();
  fingers.set(e.pointerId, e);
  const [near, ...to] = measure(), [x, y] = point(...from);
  zoom(far / Math.max(near, 1), x, y);
  const [a, b] = point(...to);
  now.view[0] += x - a; now.view[1] += y - b; look();
}
stage.addEventListener("pointerup", e => {
  fingers.delete(e.pointerId);
  if (held && !held.moved && held.node) choose(idOf(held.node), e.shiftKey);
  held = null;
});
stage.addEventListener("pointercancel", e => { fingers.delete(e.pointerId); held = null; });
for (const enter of ["pointerover", "focusin"]) stage.addEventListener(enter, e => {
  const node = nodeOf(e);
  path(node && !node.closest(".cluster") ? idOf(node) : null);
});
for (const leave of ["pointerleave", "focusout"]) stage.addEventListener(leave, () => path(null));
turn(data.start);
