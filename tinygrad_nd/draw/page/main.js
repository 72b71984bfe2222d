// The page: one picture at a time, and what is chosen, found or played in it.

const $ = id => document.getElementById(id);
const stage = $("stage"), view = new View(stage);
const drawings = levels.map((_, i) => i === data.start ? stage.querySelector("svg") : $(`depth-${i}`).content.querySelector("svg"));
const pictures = [];
let level, picture, chosen, matches = [];
const player = new Player(played);

function show(number) {
  const before = chosen;
  level = levels[number];
  view.show(drawings[number]);
  picture = pictures[number] ??= new Picture(level, drawings[number], { clicked: choose, opened: unfold });
  $("depth").value = number;
  $("depth-says").textContent = `${number} of ${levels.length - 1}`;
  $("notice").textContent = level.notice;
  $("notice").hidden = !level.notice;
  choose(undefined);
  player.load(level);
  search();
  view.fit(0.85, picture.shapes.get(level.nodes[0]));
  choose(before === undefined ? undefined : level.standIn(before));
}

function choose(id) {
  chosen = id;
  const some = id !== undefined, before = some ? level.ancestors(id) : new Set(), after = some ? level.descendants(id) : new Set();
  const side = other => other === id ? ["chosen"] : before.has(other) ? ["before"] : after.has(other) ? ["after"] : [];
  const between = (tail, head) => before.has(tail) && (head === id || before.has(head)) ? ["before"]
    : after.has(head) && (tail === id || after.has(tail)) ? ["after"] : [];
  picture.mark(["chosen", "before", "after"], side, between);
  toggle(picture.svg, ["traced"], some ? ["traced"] : []);
  for (const [other, group] of picture.shapes) group.setAttribute("aria-pressed", other === id);
  tell(id);
  if (!some) return;
  player.stop();
  picture.visit(id);
  view.reveal([picture.shapes.get(id)]);
}

function tell(id) {
  $("node").hidden = id === undefined;
  $("hint").hidden = id !== undefined;
  if (id !== undefined) $("node").replaceChildren(...describe(level, id, choose, unfold));
}

function unfold(id) {
  if (!nodes[id].folds || level.number === levels.length - 1) return;
  chosen = id;
  show(level.number + 1);
}

function search() {
  const terms = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  matches = terms.length ? level.nodes.filter(id => terms.every(term => words[id].includes(term))) : [];
  picture.mark(["found"], id => matches.includes(id) ? ["found"] : [], () => []);
  $("found").textContent = terms.length ? `${matches.length} found` : "";
}

function nextMatch(by) {
  if (!matches.length) return;
  const at = matches.indexOf(chosen), next = at < 0 && by < 0 ? matches.length - 1 : (at + by + matches.length) % matches.length;
  choose(matches[next]);
  $("found").textContent = `${next + 1} of ${matches.length}`;
}

// Lights the steps so far; the last one brightly, with what flows. No steps: nothing is lit.
function played(steps) {
  const step = steps.at(-1), edges = step?.edges ?? [];
  if (step && chosen !== undefined) choose(undefined);
  toggle(picture.svg, ["played", "forward", "backward"], step ? ["played", step.way] : []);
  const passed = new Set(), pair = (tail, head) => `${tail} ${head}`, lit = new Set(edges.map(edge => pair(edge.tail, edge.head)));
  for (const { way, id, edges } of steps) {
    if (way === step.way) for (const { tail, head } of [{ tail: id, head: id }, ...edges]) passed.add(tail).add(head).add(pair(tail, head));
  }
  const stateOf = (name, bright) => [...(passed.has(name) ? ["passed"] : []), ...(bright ? ["lit"] : [])];
  picture.mark(["passed", "lit"], id => stateOf(id, id === step?.id), (tail, head) => stateOf(pair(tail, head), lit.has(pair(tail, head))));
  picture.tag(edges.map(edge => [edge, flow(edge, step.way)]));
  if (!step) return;
  tell(step.id);
  view.reveal([step.id, ...edges.map(edge => edge.tail)].map(id => picture.shapes.get(id)));
}

// From a node to the next one in the direction of an arrow key: along the stream, or to one that shares an operand or a reader.
function neighbour(id, key) {
  const along = { TB: "ArrowDown", BT: "ArrowUp", LR: "ArrowRight", RL: "ArrowLeft" }[level.rankdir];
  const against = { ArrowDown: "ArrowUp", ArrowUp: "ArrowDown", ArrowRight: "ArrowLeft", ArrowLeft: "ArrowRight" }[along];
  if (key === along) return level.readers(id)[0];
  if (key === against) return level.operands(id)[0];
  const sharing = [...level.readers(id).flatMap(next => level.operands(next)), ...level.operands(id).flatMap(next => level.readers(next))];
  const beside = [...new Set(sharing)];
  const by = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  return beside[(beside.indexOf(id) + by + beside.length) % beside.length];
}

const activate = id => id === chosen ? unfold(id) : choose(id);
const keys = {
  "Enter": activate,
  " ": activate,
  "Escape": () => { player.stop(); choose(undefined); },
  "+": () => view.zoom(1.25),
  "=": () => view.zoom(1.25),
  "-": () => view.zoom(0.8),
  "0": () => view.fit(),
  "[": () => show(Math.max(level.number - 1, 0)),
  "]": () => show(Math.min(level.number + 1, levels.length - 1)),
  "p": () => player.toggle(),
  ",": () => player.go(player.now - 1),
  ".": () => player.go(player.now + 1),
  "/": () => $("search").focus(),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const id = picture.visited, arrow = event.key.startsWith("Arrow");
  if (!arrow && !keys[event.key]) return;
  event.preventDefault();
  if (arrow) choose(neighbour(id, event.key) ?? id);
  else keys[event.key](id);
  if (event.key !== "/") picture.shapes.get(picture.visited).focus({ preventScroll: true });
}

stage.addEventListener("keydown", pressed);
stage.addEventListener("click", event => { if (!event.target.closest(".node")) choose(undefined); });
$("in").addEventListener("click", () => view.zoom(1.25));
$("out").addEventListener("click", () => view.zoom(0.8));
$("fit").addEventListener("click", () => view.fit());
$("search").addEventListener("input", search);
$("search").addEventListener("keydown", event => {
  if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") { $("search").value = ""; search(); }
});
$("depth").addEventListener("input", () => show(+$("depth").value));
$("depth").max = levels.length - 1;
$("folding").hidden = levels.length === 1;
$("legend").open = innerWidth > 760;
for (const id of ["tools", "keys"]) $(id).hidden = false;
document.body.classList.add("live");
show(data.start);
