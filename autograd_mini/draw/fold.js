// Which boxes are to be seen: operations are counted by their place on the tape, and a module is a stretch of them.
function folding(div, facts) {
  const svg = div.querySelector("svg"), piece = k => pieceOf(facts.pieces[k], facts.styles);
  const sameSize = (a, b) => b.hi - b.lo - (a.hi - a.lo) || a.lo - b.lo;
  const modules = facts.modules.map(([lo, hi, ...looks], k) => ({key: "m" + k, lo, hi, looks}));
  const repeats = facts.repeats.map(([lo, hi, period, ...looks], k) => ({key: "x" + k, lo, hi, period, looks}));
  const nodes = [...modules, ...repeats].sort(sameSize), byKey = new Map(nodes.map(n => [n.key, n]));
  const unfolded = new Set([...facts.open.map(k => "m" + k), ...facts.unrolled.map(k => "x" + k)]);
  const around = op => nodes.filter(n => n.lo <= op && op < n.hi);
  const node = id => byKey.get(id.replace(/^c/, "")), isOp = id => /^u\d/.test(id), number = id => +id.slice(1);
  const ops = Object.keys(facts.boxes).filter(isOp).map(number), own = new Set(facts.own), inside = new Set(facts.inside);
  const reads = new Map();  // "operation:place" -> the leaf that it reads there
  for (const [tail, head, , place] of facts.links) if (tail[0] === "t") reads.set(head + ":" + place, tail);

  // The box that stands for an operation, the frames around it, outermost first, and whether a folded repeat is one.
  function see(op) {
    const frames = [];
    let copy = null;
    for (let list = around(op), k = 0; k < list.length; k++) {
      const node = list[k];
      if (!node.period && !unfolded.has(node.key)) return {id: (copy ? "c" : "") + node.key, frames, copy};
      frames.push(node);
      if (node.period && !unfolded.has(node.key)) {
        copy = node; op = node.lo + (op - node.lo) % node.period; k = -1;
        list = around(op).filter(n => n.hi - n.lo < node.period);
      }
    }
    return {id: (copy ? "r" : "u") + op, frames, copy};
  }
  // A parameter that one module alone uses is told in its card, and an input that is gone is kept quiet about; of the
  // copies of a repeat the first stands for all.
  function leaf(id, uses) {
    const seen = uses.map(([op]) => see(op)), copy = seen[0].copy, [op, place] = uses[0];
    let first = id, others = false;
    if (copy && seen.every(s => s.copy === copy)) {
      const at = n => reads.get("u" + n + ":" + place), nth = (op - copy.lo) % copy.period;
      first = at(copy.lo + nth) ?? id;
      others = at(copy.lo + nth + copy.period) !== first;
      if (others && first !== id) return null;
    }
    const alone = new Set(seen.map(s => s.id)).size === 1 && (/m/.test(seen[0].id) || copy && own.has(first));
    return alone && (inside.has(id) || others) ? null : id;
  }

  function state() {
    const boxes = new Map(), top = {boxes: [], frames: [], of: new Map()}, links = new Map(), uses = new Map(), seen = [];
    const add = (id, number, frames, copy) => {
      if (boxes.has(id)) return;
      let scope = top;
      for (const node of frames) {
        if (!scope.of.has(node)) {
          const rolled = node.period && !unfolded.has(node.key), inner = frames.indexOf(copy) >= 0 && node !== copy && !node.period;
          const look = piece(node.period ? node.looks[rolled ? 0 : 1] : node.looks[inner && node.looks[3] !== null ? 3 : 1]);
          const frame = {id: node.key, text: look, heavy: rolled, boxes: [], frames: [], of: new Map()};
          scope.of.set(node, frame); scope.frames.push(frame);
        }
        scope = scope.of.get(node);
      }
      const box = {id, ...piece(number)};
      boxes.set(id, box); scope.boxes.push(box);
    };
    for (const op of ops) {
      const s = seen[op] = see(op), looks = node(s.id)?.looks;
      add(s.id, looks ? looks[s.copy && looks[2] !== null ? 2 : 0] : facts.boxes[s.id] ?? facts.boxes["u" + op], s.frames, s.copy);
    }
    for (const [tail, head, , place] of facts.links) if (!isOp(tail) && isOp(head)) {
      uses.set(tail, [...uses.get(tail) ?? [], [number(head), place]]);
    }
    const leaves = new Map([...uses].map(([id, list]) => [id, id[0] === "t" ? leaf(id, list) : id]));
    for (const id in facts.boxes) if (!/^[ur]\d/.test(id) && leaves.get(id) !== null) add(id, facts.boxes[id], [], null);
    for (const [tail, head, slot, place, ways, label] of facts.links) {
      const ends = [tail, head].map(id => isOp(id) ? seen[number(id)] : {id: leaves.has(id) ? leaves.get(id) : id, copy: null});
      const [from, to] = ends.map(e => e.id);
      if (from === null || from === to || !boxes.has(from) || !boxes.has(to)) continue;
      const rolled = ends[0].copy || ends[1].copy;
      if (ends[0].copy && ends[0].copy === ends[1].copy && Math.floor((number(tail) - rolled.lo) / rolled.period)
        !== Math.floor((number(head) - rolled.lo) / rolled.period)) continue;  // to the next copy: the frame says so
      const port = boxes.get(to).slots > slot ? slot : null, key = from + ">" + to + (isOp(to) || to[0] === "r" ? place : "");
      if (!links.has(key)) links.set(key, {
        tail: from, head: to, slot: port, place, forward: ways & 1, gradient: ways >> 1,
        label: label === null || ends[1].copy ? null : piece(label),
      });
    }
    return {...top, count: boxes.size, links: [...links.values()]};
  }

  const MARGIN = 14;
  function draw() {
    const {boxes, count, frames, links} = state(), made = layOut(boxes, frames, links);
    const head = piece(facts.head), top = 2 * MARGIN + head.h, put = (x, y) => ({transform: `translate(${round(x)} ${round(y)})`});
    const where = {};
    const clusters = made.places.filter(p => p.frame).map(p => {
      const {id, text, heavy, at} = p.frame, paint = {fill: "#F6F8FA", stroke: LINE, "stroke-width": heavy ? 3 : 1.4};
      where[id] = p;
      const size = {x: round(p.x), y: round(p.y), width: round(p.right), height: round(p.h), rx: 12};
      const strip = {x: round(p.x), y: round(p.y), width: round(p.right), height: text.h + INNER, fill: "transparent"};
      const label = element("g", {class: "node", "data-id": id},
        element("rect", strip), element("g", put(p.x + at, p.y + INNER / 2), text.draw()));
      return element("g", {class: "cluster"}, element("rect", {...size, ...paint}), label);
    });
    const across = ends(links.map((link, i) => ({link, route: made.routes[i]})));
    const wires = links.map((link, i) => drawn(link, made.routes[i], across[i]));
    const nodes = made.places.filter(p => p.box).map(p => {
      where[p.box.id] = p;
      return element("g", {class: "node", "data-id": p.box.id, ...put(p.x, p.y)}, p.box.draw());
    });
    svg.replaceChildren(element("g", put(MARGIN, MARGIN), head.draw()), element("g", put(MARGIN, top), ...clusters, ...wires, ...nodes));
    const size = [0, 0, round(2 * MARGIN + Math.max(made.width, head.w)), round(top + made.height + MARGIN)];
    return {links: links.map(x => [x.tail, x.head]), where, size, count};
  }

  function closed() {  // those that can be unfolded now; a repeat only when there is nothing else
    const seen = ops.map(see), cards = new Set(seen.map(s => node(s.id)).filter(Boolean));
    return cards.size ? [...cards] : repeats.filter(r => !unfolded.has(r.key) && seen.some(s => s.copy === r));
  }
  function opened() {  // the innermost that are open now
    const open = [...new Set(ops.flatMap(op => see(op).frames))].filter(n => unfolded.has(n.key));
    return open.filter(n => !open.some(m => m !== n && n.lo <= m.lo && m.hi <= n.hi));
  }
  return {
    draw, node, closed, opened,
    isOpen: id => unfolded.has(node(id).key),
    toggle(id) { const {key} = node(id); if (!unfolded.delete(key)) unfolded.add(key); },
    unfold() { for (const n of closed()) unfolded.add(n.key); },
    fold() { for (const n of opened()) unfolded.delete(n.key); },
  };
}
