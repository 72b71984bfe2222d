// The graph at one depth: which nodes stand there, what flows between them, and what lies before and after each.

const data = JSON.parse(document.getElementById("data").textContent);
const nodes = data.nodes;

class Level {
  constructor(number) {
    this.number = number;
    this.notice = data.notices[number];
    this.rankdir = this.notice ? "TB" : data.rankdir;  // what Graphviz has not placed stands in a column
    this.nodes = data.levels[number].nodes;  // in the order of computation
    this.arriving = new Map(this.nodes.map(id => [id, []]));
    this.leaving = new Map(this.nodes.map(id => [id, []]));
    for (const edge of data.levels[number].edges) {
      this.arriving.get(edge.head).push(edge);
      this.leaving.get(edge.tail).push(edge);
    }
  }

  operands(id) { return this.arriving.get(id).map(edge => edge.tail); }
  readers(id) { return this.leaving.get(id).map(edge => edge.head); }

  ancestors(id) { return reach(id, next => this.operands(next)); }
  descendants(id) { return reach(id, next => this.readers(next)); }

  // The node that stands here for a node of another depth: itself, the fold around it, or the first of what it holds.
  standIn(id) {
    return this.nodes.find(here => here === id) ?? this.nodes.find(here => holds(here, id)) ?? this.nodes.find(here => holds(id, here));
  }
}

function reach(start, next) {
  const found = new Set(), stack = next(start);
  while (stack.length) {
    const id = stack.pop();
    if (!found.has(id)) {
      found.add(id);
      stack.push(...next(id));
    }
  }
  return found;
}

function holds(fold, id) {
  const place = (nodes[id].folds?.[0] ?? nodes[id].scope ?? "") + "/";
  return fold !== id && (nodes[fold].folds ?? []).some(scope => place.startsWith(scope + "/"));
}

const levels = data.levels.map((_, number) => new Level(number));
const whole = levels.at(-1);
const isWork = id => ["op", "fold", "rest"].includes(nodes[id].kind);
const inside = id => nodes[id].folds ? whole.nodes.filter(inner => holds(id, inner)) : [];

// What a node is found by; a fold by what it holds, too.
const text = id => `${nodes[id].label} ${nodes[id].rows.flat().join(" ")}`;
const words = nodes.map((_, id) => [id, ...inside(id)].map(text).join(" ").toLowerCase());

// What a node is called aloud.
const spoken = id => {
  const { label, kind, shape, mark } = nodes[id];
  return [label, kind === "op" ? "" : kind, shape, mark].filter(Boolean).join(", ");
};
