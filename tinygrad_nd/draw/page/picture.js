// The SVG of one level: which group draws which node or edge, and how they are marked.

class Picture {
  // The element must stand in the page. `act` is told of nodes: clicked, opened (clicked twice).
  constructor(level, svg, act) {
    this.svg = svg;
    this.shapes = new Map();  // node -> group
    this.lines = new Map();   // "tail head" -> group; edges that run alike share one entry
    for (const group of svg.querySelectorAll("g.node, g.edge")) {
      const title = group.querySelector("title"), [id, head] = title.textContent.match(/n\d+/g).map(n => level.nodes[n.slice(1)]);
      title.textContent = head === undefined ? spoken(id) : `${nodes[id].label} → ${nodes[head].label}`;
      if (head === undefined) this.shapes.set(id, this.prepared(group, id, act));
      else {
        this.lines.set(`${id} ${head}`, group);
        group.setAttribute("aria-hidden", true);  // the panel tells edges as links
      }
    }
    this.visit(level.nodes[0]);
  }

  // A node that can be pointed at, reached by keys and outlined.
  prepared(group, id, act) {
    const { x, y, width, height } = group.getBBox();
    group.append(drawn("rect", { class: "halo", x: x - 3, y: y - 3, width: width + 6, height: height + 6, rx: 8 }));
    set(group, { id: `node-${id}`, role: "button", tabindex: -1, "aria-label": spoken(id) });
    group.addEventListener("click", () => act.clicked(id));
    group.addEventListener("dblclick", () => act.opened(id));
    return group;
  }

  // The node that Tab comes to.
  visit(id) {
    if (this.visited !== undefined) this.shapes.get(this.visited).setAttribute("tabindex", -1);
    this.shapes.get(id).setAttribute("tabindex", 0);
    this.visited = id;
  }

  // `ofNode(id)` and `ofEdge(tail, head)` are the names of classes that are on, out of `names`.
  mark(names, ofNode, ofEdge) {
    for (const [id, group] of this.shapes) toggle(group, names, ofNode(id));
    for (const [ends, group] of this.lines) toggle(group, names, ofEdge(...ends.split(" ").map(Number)));
  }

  // Labels beside the middle of edges, above those that run across: pairs of [edge, lines of text].
  tag(pairs) {
    for (const group of this.svg.querySelectorAll(".tag")) group.remove();
    for (const [{ tail, head }, text] of pairs) {
      const line = this.lines.get(`${tail} ${head}`), path = line?.querySelector("path");
      if (!path || !text.length) continue;
      const length = path.getTotalLength(), [from, { x, y }, to] = [0, 0.5, 1].map(part => path.getPointAtLength(part * length));
      const width = Math.max(...text.map(words => words.length)) * 4.7 + 8, height = text.length * 11 + 4;
      const across = Math.abs(to.x - from.x) > 2 * Math.abs(to.y - from.y);
      const [left, top] = across ? [x - width / 2, y - height - 4] : [x + 5, y - height / 2];
      const rows = text.map((words, i) => drawn("text", { x: left + 4, y: top + 10.5 + i * 11 }, words));
      line.parentNode.append(drawn("g", { class: "tag" }, drawn("rect", { x: left, y: top, width, height, rx: 4 }), ...rows));
    }
  }
}

function toggle(element, names, on) {
  for (const name of names) element.classList.toggle(name, on.includes(name));
}
