// The layout of layout.py for drawings that run down: rows by longest path, in them places by barycentres; a frame is
// laid out by itself and is then one box of what is around it; wires enter and leave it through ports.
const GAP_DOWN = 20, GAP = 14, INNER = 12;
const place = facts => ({left: 0, right: 0, h: 0, x: 0, y: 0, rank: 0, before: [], after: [], ...facts});
const least = values => Math.min(...values), most = values => Math.max(0, ...values);

function layOut(boxes, frames, links) {
  const scope = scopeOf(boxes, frames, links), places = gather(scope, 0, 0);
  const left = least(places.map(p => p.x - p.left));
  for (const p of places) p.x -= left;
  const scopes = [scope, ...places.flatMap(p => p.scope ?? [])];
  return {
    places, routes: links.map((_, k) => through(scopes.find(s => s.routes.has(k) && !s.ports.has(k)), k)),
    width: most(places.map(p => p.x + p.right)), height: most(places.map(p => p.y + p.h)),
  };
}

function scopeOf(boxes, frames, links) {
  const item = new Map(), ports = new Map(), ends = new Map(), routes = new Map();
  for (const frame of frames) {
    const p = framed(frame, links);
    for (const id of inside(frame)) item.set(id, p);
  }
  for (const box of boxes) item.set(box.id, place({box, left: box.w / 2, right: box.w / 2, h: box.h}));
  links.forEach((link, k) => {
    const tail = item.get(link.tail), head = item.get(link.head);
    if (tail === head) return;
    if (!tail || !head) ports.set(k, place({port: true}));
    ends.set(k, {link, tail: tail ?? ports.get(k), head: head ?? ports.get(k)});
  });
  const all = new Set(item.values());
  rank([...all, ...ports.values()], [...ends].map(([k, e]) => ({...e, length: e.link.label && !ports.has(k) ? 2 : 1})));
  for (const [k, e] of ends) {
    const between = Array.from({length: Math.max(0, e.head.rank - e.tail.rank - 1)}, (_, i) => place({rank: e.tail.rank + 1 + i}));
    if (e.link.label && between.length && !ports.has(k)) {
      const {w, h} = e.link.label;
      Object.assign(between[0], {label: e.link.label, left: 3, right: w + 6, h});
    }
    const route = [e.tail, ...between, e.head];
    for (let i = 0; i + 1 < route.length; i++) {
      const [a, b] = [route[i], route[i + 1]], shift = portAt(a, k) - portAt(b, k);
      a.after.push({place: b, shift: -shift, order: e.link.place});
      b.before.push({place: a, shift, order: 0});
    }
    routes.set(k, route);
    for (const p of route) all.add(p);
  }
  const rows = [];
  for (const p of all) (rows[p.rank] ??= []).push(p);
  const ranks = rows.filter(Boolean);
  order(ranks); across(ranks);
  let y = 0;
  for (const row of ranks) {
    const high = most(row.map(p => p.h));
    for (const p of row) {
      if (!p.box && !p.frame && !p.port && !p.label) p.h = high;  // a long wire runs straight past the others
      p.y = y + (high - p.h) / 2;
    }
    y += high + GAP_DOWN;
  }
  return {places: [...all], routes, ports, x: 0, y: 0};
}

function inside(frame) { return [...frame.boxes.map(b => b.id), ...frame.frames.flatMap(inside)]; }

function framed(frame, links) {  // its text stands above what is in it, left or right of the wires that come in
  const scope = scopeOf(frame.boxes, frame.frames, links), {w, h} = frame.text, {places} = scope;
  const left = least(places.map(p => p.x - p.left)), bottom = most(places.map(p => p.y + p.h));
  const entries = [...scope.ports.values()].filter(p => p.after.length), at = entries.map(p => p.x - left);
  const beside = w + INNER <= least(at) ? 0 : most(at) + INNER;
  for (const p of entries) { p.y = -h; p.h = h; }
  scope.x = INNER - left; scope.y = INNER + h; frame.at = INNER + beside;
  const right = Math.max(...places.map(p => p.x + p.right + scope.x), frame.at + w) + INNER;
  return place({frame, scope, right, h: scope.y + bottom + INNER});
}

function portAt(p, k) { return p.scope ? p.scope.ports.get(k).x + p.scope.x : 0; }

function gather(scope, x, y) {
  return scope.places.flatMap(p => {
    p.x += x; p.y += y;
    return p.scope ? [p, ...gather(p.scope, p.x + p.scope.x, p.y + p.scope.y)] : [p];
  });
}

function through(scope, k) {  // the route of a link, from or to the boxes in the frames where it ends
  const route = scope.routes.get(k), [start, end] = [route[0], route.at(-1)].map(p => p.scope ? through(p.scope, k) : [p]);
  return [...start, ...route.slice(1, -1), ...end];
}

function rank(places, links) {
  const out = new Map(places.map(p => [p, []])), missing = new Map(places.map(p => [p, 0]));
  for (const {tail, head, length} of links) { out.get(tail).push([head, length]); missing.set(head, missing.get(head) + 1); }
  const sources = places.filter(p => !missing.get(p)), ready = sources.slice();
  for (const p of places) p.rank = p.port ? 0 : 1;
  while (ready.length) {
    const p = ready.pop();
    for (const [head, length] of out.get(p)) {
      head.rank = Math.max(head.rank, p.rank + length);
      missing.set(head, missing.get(head) - 1);
      if (!missing.get(head)) ready.push(head);
    }
  }
  for (const p of sources) if (!p.port && out.get(p).length) p.rank = least(out.get(p).map(([head, length]) => head.rank - length));
  const last = most(places.filter(p => !p.port).map(p => p.rank));
  for (const {head} of links) if (head.port) head.rank = last + 1;
}

function order(ranks) {
  const at = new Map();
  for (const row of ranks) row.forEach((p, i) => at.set(p, 10 * i));
  for (let sweep = 0; sweep < 13; sweep++) {
    const forth = sweep % 2 === 1;
    for (const row of forth ? ranks : ranks.toReversed()) {
      const mean = new Map(row.map(p => {
        const near = forth ? p.before : p.after;
        return [p, near.length ? near.reduce((sum, q) => sum + at.get(q.place) + q.order, 0) / near.length : at.get(p)];
      }));
      row.sort((a, b) => mean.get(a) - mean.get(b));
      row.forEach((p, i) => at.set(p, 10 * i));
    }
  }
}

function across(ranks) {
  for (const row of ranks) {
    let x = 0;
    for (const p of row) { p.x = x + p.left; x += p.left + p.right + GAP; }
  }
  for (let sweep = 0; sweep < 9; sweep++) for (const row of sweep % 2 ? ranks.toReversed() : ranks) {
    const wanted = row.map(p => {
      const near = sweep % 2 ? p.after : p.before, long = near.filter(q => !q.place.box);
      const straight = long.length ? long : near;
      return straight.length ? straight.reduce((sum, q) => sum + q.place.x + q.shift, 0) / straight.length : p.x;
    });
    apart(row, wanted);
  }
}

function apart(row, wanted) {  // as near as can be to where they want to be: isotonic regression
  const offsets = [0], blocks = [];
  for (let i = 1; i < row.length; i++) offsets.push(offsets[i - 1] + row[i - 1].right + GAP + row[i].left);
  row.forEach((p, i) => {
    blocks.push({mean: wanted[i] - offsets[i], weight: !p.box && !p.frame ? 1e4 : p.before.length ? 10 : 1, count: 1});
    for (let n; (n = blocks.length) > 1 && blocks[n - 2].mean > blocks[n - 1].mean;) {
      const b = blocks.pop(), a = blocks.pop(), weight = a.weight + b.weight;
      blocks.push({mean: (a.mean * a.weight + b.mean * b.weight) / weight, weight, count: a.count + b.count});
    }
  });
  const means = blocks.flatMap(b => Array(b.count).fill(b.mean));
  row.forEach((p, i) => { p.x = means[i] + offsets[i]; });
}

// ------------------------------------------------------------------------------------------------ drawing

const FORWARD = "#00568F", GRADIENT = "#A83C00", LINE = "#6E7781";
function element(tag, facts, ...inner) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(facts)) e.setAttribute(name, value);
  e.append(...inner);
  return e;
}
const round = x => Math.round(10 * x) / 10, mid = (a, b) => a.map((v, i) => (v + b[i]) / 2);
const text = p => round(p[1]) + " " + round(p[0]);  // points are (down, across), as the wires run

function pieceOf([w, h, rows, look, ...slots], styles) {  // a box, or rows of text: its size, and how to draw it
  const [shape, fill, stroke, weight, dashed, step] = styles[look] ?? [];
  const line = (row, x, y, anchor) => {
    const e = element("text", {x: round(x), y: round(y), "text-anchor": anchor});
    for (let i = 0; i < row.length; i += 2) {
      const [color, size, bold, italic] = styles[row[i + 1]];
      const t = element("tspan", {"font-size": size, fill: color}, data.words[row[i]]);
      if (bold) t.setAttribute("font-weight", "bold");
      if (italic) t.setAttribute("font-style", "italic");
      e.append(t);
    }
    return e;
  };
  const high = row => row === 0 ? 4 : row[0] === "s" ? 18 : row[0] === "m" ? 14.85 * row[2].length + 2
    : 1.35 * most(row.map((n, i) => i % 2 ? styles[n][1] : 0));
  const strip = ([, label, cells, last], x, y) => [
    line(label, x, y + 14, "start"), line(last, x + 106 + 10 * cells.length, y + 14, "start"),
    ...cells.map((color, i) => element("rect", {x: x + 100 + 10 * i, y: y + 2, width: 10, height: 14, fill: color})),
  ];
  const matrix = ([, color, cells, widths], y) => {
    const wide = widths.reduce((sum, n) => sum + n + 6, 6), low = y + 14.85 * cells.length + 1, found = [];
    const bar = x => `M${round(x)} ${round(y + 1)}V${round(low)}`;
    found.push(element("path", {d: bar(-wide / 2) + bar(wide / 2), stroke: color, fill: "none"}));
    cells.forEach((row, i) => {
      let x = -wide / 2;
      widths.forEach((n, k) => {
        x += n + 6; found.push(line(row.slice(2 * k, 2 * k + 2), x, y + 1 + 14.85 * (i + 0.76), "end"));
      });
    });
    return found;
  };
  function draw() {
    const g = element("g", {}), paint = {fill, stroke, "stroke-width": weight};
    if (dashed) paint["stroke-dasharray"] = "5 3";
    if (shape === "dot") g.append(element("circle", {cy: h / 2, r: w / 2, fill: stroke}));
    else if (shape === "circle") g.append(element("circle", {cy: h / 2, r: w / 2, ...paint}));
    else if (shape && shape !== "chip") g.append(element("rect", {x: -w / 2, width: w, height: h, rx: 8, ...paint}));
    slots.forEach((word, i) => {
      const t = element("text", {x: round((i - (slots.length - 1) / 2) * step), y: 12, "text-anchor": "middle"}, data.words[word]);
      t.setAttribute("font-size", 9); t.setAttribute("fill", "#57606A"); g.append(t);
    });
    let y = shape ? rows.includes(0) ? 2 : (h - rows.reduce((sum, row) => sum + high(row), 0)) / 2 + 6 * !!slots.length : 0;
    for (const row of rows) {
      if (row === 0) g.append(element("path", {d: `M${-w / 2} ${round(y + 1)}H${w / 2}`, stroke: LINE, "stroke-width": 2}));
      else if (row[0] === "s") g.append(...strip(row, shape ? -w / 2 : 0, y));
      else if (row[0] === "m") g.append(...matrix(row, y));
      else g.append(line(row, 0, y + 0.76 * high(row), shape ? "middle" : "start"));
      y += high(row);
    }
    return g;
  }
  return {w, h, slots: slots.length, step, round: shape === "circle" || shape === "dot", draw};
}

function ends(routes) {  // side by side where several wires reach the same point
  const arriving = new Map(), found = [];
  routes.forEach(({link, route}, i) => {
    const key = link.head + ":" + link.slot;
    arriving.set(key, [...arriving.get(key) ?? [], {i, link, head: route.at(-1), from: route.at(-2).x}]);
  });
  for (const group of arriving.values()) {
    group.sort((a, b) => a.from - b.from);
    const {head, link} = group[0], step = Math.min(10, 1.4 * head.right / group.length);
    const slot = link.slot === null ? 0 : (link.slot - (head.box.slots - 1) / 2) * head.box.step;
    group.forEach(({i}, k) => { found[i] = head.x + slot + (k - (group.length - 1) / 2) * step; });
  }
  return found;
}

function drawn(link, route, end) {
  const head = route.at(-1), points = [[route[0].y + route[0].h, route[0].x]], parts = [];
  for (const p of route.slice(1, -1)) {
    points.push([p.y, p.x]);
    if (p.h) points.push([p.y + p.h, p.x]);
    if (p.label) parts.push(element("g", {transform: `translate(${round(p.x + 5)} ${round(p.y)})`}, p.label.draw()));
  }
  const r = head.h / 2, inset = head.box.round ? r - Math.sqrt(Math.max(r * r - (end - head.x) ** 2, 0)) : 0;
  const start = points[0], stop = [head.y + inset, end];
  points.push([stop[0] - 5 * link.forward, end]);
  points[0] = [start[0] + 5 * link.gradient, start[1]];
  const curves = points.slice(1).map((b, i) => {
    const a = points[i], half = (a[0] + b[0]) / 2;
    return [a, [half, a[1]], [half, b[1]], b];
  });
  const stroke = (some, color) => {
    if (!some.length) return;
    const d = "M" + text(some[0][0]) + some.map(c => "C" + c.slice(1).map(text).join(" ")).join("");
    parts.push(element("path", {d, fill: "none", stroke: color, "stroke-width": 1.4}));
  };
  const arrow = (at, way, color) => {
    const d = "M" + text(at) + [-3, 3].map(side => "L" + text([at[0] + 7 * way, at[1] + side])).join("") + "Z";
    parts.push(element("path", {d, fill: color}));
  };
  if (link.forward && link.gradient) {
    const n = curves.length >> 1, [a, b, c, d] = curves[n];
    if (curves.length % 2) {
      const ab = mid(a, b), bc = mid(b, c), cd = mid(c, d), abc = mid(ab, bc), bcd = mid(bc, cd), m = mid(abc, bcd);
      curves.splice(n, 1, [a, ab, abc, m], [m, bcd, cd, d]);
    }
    const half = curves.length / 2;
    stroke(curves.slice(0, half), GRADIENT); stroke(curves.slice(half), FORWARD);
  } else stroke(curves, link.forward ? FORWARD : link.gradient ? GRADIENT : LINE);
  if (link.gradient) arrow(start, 1, GRADIENT);
  if (link.forward) arrow(stop, -1, FORWARD);
  return element("g", {class: "edge", "data-id": link.tail + "->" + link.head}, ...parts);
}
