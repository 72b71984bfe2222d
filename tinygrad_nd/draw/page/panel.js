// The side panel: everything known of one node.

const SVG = "http://www.w3.org/2000/svg";

function set(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  set(made, attributes);
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  made.append(...children);
  return made;
}

function button(words, look, act) {
  const made = element("button", { type: "button", class: look }, words);
  made.addEventListener("click", act);
  return made;
}

// `choose` is called with the node whose link was followed, `unfold` with the fold to open.
function describe(level, id, choose, unfold) {
  const said = nodes[id], parts = [element("h2", {}, said.label)];
  if (said.mark) parts.push(element("p", { class: "mark" }, said.mark));
  parts.push(element("dl", {}, ...said.rows.flatMap(([what, text]) => [element("dt", {}, what), element("dd", {}, text)])));
  if (said.code) parts.push(element("code", {}, said.code));
  if (said.histogram) parts.push(...histogram(said));
  parts.push(...links("Operands", level.arriving.get(id), edge => edge.tail, choose));
  parts.push(...links("Read by", level.leaving.get(id), edge => edge.head, choose));
  if (inside(id).length) parts.push(element("h3", {}, "Inside"), button("Unfold", "", () => unfold(id)), holding(id));
  return parts;
}

function histogram({ histogram: counts, range: [low, high] }) {
  const most = Math.max(...counts), bars = counts.map((count, i) => {
    const height = count && Math.max(count / most * 60, 1);
    return drawn("rect", { x: i * 10 + 1, y: 60 - height, width: 8, height });
  });
  const picture = drawn("svg", { class: "histogram", viewBox: `0 0 ${counts.length * 10} 61`, preserveAspectRatio: "none" }, ...bars);
  set(picture, { role: "img", "aria-label": `Histogram of the values from ${low} to ${high}` });
  return [element("h3", {}, "Values"), picture, element("div", { class: "ends" }, element("span", {}, low), element("span", {}, high))];
}

function links(heading, edges, other, choose) {
  if (!edges.length) return [];
  const items = edges.slice(0, 50).map(edge => {
    const link = button(nodes[other(edge)].label, "link", () => choose(other(edge)));
    const flows = [edge.shape, edge.value, edge.grad && `gradient ${edge.grad}`].filter(Boolean).join(" · ");
    return element("li", {}, edge.operand ? `${edge.operand}: ` : "", link, " ", element("span", { class: "soft" }, flows));
  });
  if (edges.length > 50) items.push(element("li", {}, `and ${edges.length - 50} more`));
  return [element("h3", {}, heading), element("ul", {}, ...items)];
}

function holding(id) {
  const members = inside(id), most = 12;
  const items = members.slice(0, most).map(inner => {
    return element("li", {}, nodes[inner].label, " ", element("span", { class: "soft" }, nodes[inner].shape ?? ""));
  });
  if (members.length > most) items.push(element("li", {}, `and ${members.length - most} more`));
  return element("ul", {}, ...items);
}
