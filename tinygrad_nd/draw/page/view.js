// Pan and zoom of the picture on the stage: by pointer, wheel, fingers or call.

class View {
  constructor(stage) {
    this.stage = stage;
    this.fingers = new Map();
    stage.addEventListener("wheel", event => this.wheeled(event), { passive: false });
    stage.addEventListener("pointerdown", event => this.pressed(event));
    stage.addEventListener("pointermove", event => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, event => this.released(event));
    // What ends a drag is no click on the node below.
    stage.addEventListener("click", event => { if (this.dragged) event.stopPropagation(); }, { capture: true });
  }

  show(svg) {
    const { width, height } = svg.viewBox.baseVal;
    this.size = { width: width * 4 / 3, height: height * 4 / 3 };  // a point is 4/3 px
    svg.setAttribute("width", this.size.width);
    svg.setAttribute("height", this.size.height);
    this.svg = svg;
    this.stage.replaceChildren(svg);
  }

  // The whole picture; or where it begins, with the element `first`, if it would be smaller than `least`.
  fit(least = 0.1, first) {
    const { clientWidth, clientHeight } = this.stage, { width, height } = this.size;
    this.scale = Math.max(least, Math.min(1.25, clientWidth / width, clientHeight / height));
    this.x = this.y = 0;
    const box = first ? this.box(first) : { x: 0, y: 0, width: 0, height: 0 };
    this.x = beginning(width * this.scale, clientWidth, box.x + box.width / 2);
    this.y = beginning(height * this.scale, clientHeight, box.y + box.height / 2);
    this.place(true);
  }

  place(smoothly = false) {
    this.stage.classList.toggle("moving", smoothly);
    this.svg.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  // About a point of the stage; without one, about its middle and smoothly.
  zoom(factor, x, y) {
    const smoothly = x === undefined;
    x ??= this.stage.clientWidth / 2;
    y ??= this.stage.clientHeight / 2;
    const scale = Math.min(Math.max(this.scale * factor, 0.02), 6);
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.place(smoothly);
  }

  // Moves no more than it must to bring elements into sight; the first of them, where they are too far apart.
  reveal(elements, margin = 40) {
    const boxes = elements.map(element => this.box(element));
    this.x += shift(boxes.map(box => [box.x, box.x + box.width]), this.stage.clientWidth, margin);
    this.y += shift(boxes.map(box => [box.y, box.y + box.height]), this.stage.clientHeight, margin);
    this.place(true);
  }

  // Where an element will be on the stage when the picture has come to rest.
  box(element) {
    const inner = element.getBBox(), matrix = element.getCTM(), corner = new DOMPoint(inner.x, inner.y).matrixTransform(matrix);
    const unit = matrix.a * this.scale;
    return { x: this.x + corner.x * this.scale, y: this.y + corner.y * this.scale, width: inner.width * unit, height: inner.height * unit };
  }

  wheeled(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    const { left, top } = this.stage.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - left, event.clientY - top);
  }

  pressed(event) {
    this.dragged = false;
    if (event.button === 0) this.fingers.set(event.pointerId, event);
  }

  moved(event) {
    if (!event.buttons) this.released(event);  // it was released somewhere else
    if (!this.fingers.has(event.pointerId)) return;
    const before = spread(this.fingers);
    if (!this.dragged && this.fingers.size === 1 && Math.hypot(event.clientX - before.x, event.clientY - before.y) < 4) return;
    this.dragged = true;
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("held");
    this.fingers.set(event.pointerId, event);
    const after = spread(this.fingers), { left, top } = this.stage.getBoundingClientRect();
    this.x += after.x - before.x;
    this.y += after.y - before.y;
    this.zoom(before.size ? after.size / before.size : 1, after.x - left, after.y - top);
  }

  released(event) {
    this.fingers.delete(event.pointerId);
    this.stage.classList.remove("held");
  }
}

// Where what is so long begins in `room`: halfway; what is longer shows the place `at`, in the middle if it can.
function beginning(long, room, at) {
  return long <= room ? (room - long) / 2 : Math.min(Math.max(room / 2 - at, room - long), 0);
}

// How far to move spans [low, high] so that they lie inside `room`.
function shift(spans, room, margin) {
  const low = Math.min(...spans.map(span => span[0])), high = Math.max(...spans.map(span => span[1]));
  if (high - low <= room - 2 * margin) return Math.max(margin - low, 0) + Math.min(room - margin - high, 0);
  return spans.length > 1 ? shift(spans.slice(0, 1), room, margin) : (room - low - high) / 2;
}

// The middle of all fingers and how far apart the first two are.
function spread(fingers) {
  const at = [...fingers.values()], [a, b] = at, mean = of => at.reduce((sum, finger) => sum + finger[of], 0) / at.length;
  return { x: mean("clientX"), y: mean("clientY"), size: b ? Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) : 0 };
}
