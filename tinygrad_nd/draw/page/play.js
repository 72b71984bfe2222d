// Forward and then backward through the operations, in the order of the tape: at each step, what is read and what is passed on.

function stepsOf(level) {
  const work = level.nodes.filter(isWork), gets = edge => nodes[edge.tail].kind !== "constant" && edge.grad !== "none";
  const forward = work.map(id => ({ way: "forward", id, edges: level.arriving.get(id) }));
  const backward = work.toReversed().map(id => ({ way: "backward", id, edges: level.arriving.get(id).filter(gets) }));
  return [...forward, ...backward.filter(({ id, edges }) => edges.length || leavesIn(id).length)];
}

// The leaves that a fold holds: in a folded picture no edge leads to them.
const leavesIn = id => inside(id).filter(inner => nodes[inner].kind === "leaf");

// What flows along an edge at a step, in words.
const flow = (edge, way) => [edge.shape, way === "forward" ? edge.value : edge.grad && `norm ${edge.grad}`].filter(Boolean);

function sentence(level, { way, id, edges }) {
  const { label, shape = "" } = nodes[id], out = level.leaving.get(id)[0];
  const each = edges.map(edge => `${nodes[edge.tail].label} ${flow(edge, way).join(" · ")}`.trim());
  if (way === "forward") {
    const reads = each.length ? `reads ${each.join("; ")} and ` : "";
    return `${label} ${reads}makes ${out ? flow(out, way).join(" · ") : shape}.`;
  }
  const leaves = leavesIn(id).length;
  if (leaves) each.push(`${leaves} ${leaves === 1 ? "leaf" : "leaves"} inside`);
  return `${label} ${out ? "" : "starts with ones and "}passes the gradient on to ${each.join("; ")}.`;
}

class Player {
  // `show` is called with the steps up to now; the last is the current one. None: nothing is played.
  constructor(show) {
    this.show = show;
    this.button = document.getElementById("play");
    this.progress = document.getElementById("progress");
    this.says = document.getElementById("step");
    this.button.addEventListener("click", () => this.toggle());
    document.getElementById("next").addEventListener("click", () => this.go(this.now + 1));
    document.getElementById("back").addEventListener("click", () => this.go(this.now - 1));
    this.progress.addEventListener("input", () => this.go(+this.progress.value));
  }

  load(level) {
    this.level = level;
    this.steps = stepsOf(level);
    this.progress.max = this.steps.length;
    document.getElementById("transport").hidden = !this.steps.length;
    this.go(0);
  }

  get playing() { return this.timer !== undefined; }

  toggle() {
    if (this.playing) return this.pause();
    if (this.now === this.steps.length) this.go(0);
    this.tick();
  }

  tick() {
    this.go(this.now + 1, true);
    if (this.now === this.steps.length) return this.pause();
    this.timer = setTimeout(() => this.tick(), 1500 / document.getElementById("speed").value);
    this.button.textContent = "Pause";
    this.says.setAttribute("aria-live", "off");  // a reader could not keep up
  }

  // Ends what is played.
  stop() {
    if (this.now) this.go(0);
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.button.textContent = "Play";
    this.says.setAttribute("aria-live", "polite");
  }

  // To a step; step 0 is before the first one.
  go(to, playing = false) {
    if (!playing) this.pause();
    this.now = Math.min(Math.max(to, 0), this.steps.length);
    const done = this.steps.slice(0, this.now), step = done.at(-1);
    this.progress.value = this.now;
    this.progress.setAttribute("aria-valuetext", step ? `${this.now} of ${this.steps.length}, ${step.way}` : "start");
    if (step) {
      const way = element("span", { class: `way ${step.way}` }, step.way);
      this.says.replaceChildren(way, ` ${this.now} of ${this.steps.length}: ${sentence(this.level, step)}`);
    } else {
      this.says.replaceChildren("Play steps through the operations forward, then backward, and tells what each passes on.");
    }
    this.show(done);
  }
}
