// The side panel: everything known of one node.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) key === "onclick" ? made.addEventListener("click", value) : made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
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
  if (said.folds) parts.push(element("h3", {}, "Inside"), element("button", { type: "button", onclick: () => unfold(id) }, "Unfold"), holding(id));
  return parts;
}

function histogram({ histogram: counts, range: [low, high] }) {
  const most = Math.max(...counts), bars = counts.map((count, i) => {
    const height = count && Math.max(count / most * 60, 1);
    return drawn("rect", { x: i * 10 + 1, y: 60 - height, width: 8, height });
  });
  const picture = drawn("svg", { class: "histogram", viewBox: `0 0 ${counts.length * 10} 61`, preserveAspectRatio: "none", role: "img", "aria-label": `Histogram of the values from ${low} to ${high}` }, ...bars);
  return [element("h3", {}, "Values"), picture, element("div", { class: "ends" }, element("span", {}, low), element("span", {}, high))];
}

function links(heading, edges, other, choose) {
  if (!edges.length) return [];
  const items = edges.slice(0, 50).map(edge => {
    const link = element("button", { class: "link", type: "button", onclick: () => choose(other(edge)) }, nodes[other(edge)].label);
    const flows = [edge.shape, edge.value, edge.grad && `gradient ${edge.grad}`].filter(Boolean).join(" · ");
    return element("li", {}, edge.operand ? `${edge.operand}: ` : "", link, " ", element("span", { class: "soft" }, flows));
  });
  if (edges.length > 50) items.push(element("li", {}, `and ${edges.length - 50} more`));
  return [element("h3", {}, heading), element("ul", {}, ...items)];
}

function holding(id) {
  const members = inside(id), most = 12;
  const items = members.slice(0, most).map(inner => element("li", {}, nodes[inner].label, " ", element("span", { class: "soft" }, nodes[inner].shape ?? "")));
  if (members.length > most) items.push(element("li", {}, `and ${members.length - most} more`));
  return element("ul", {}, ...items);
}
