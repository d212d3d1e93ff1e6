// The hull: energies over composition (two elements), a triangle (three), a tetrahedron (four).
// Two canvases lie on each other: the candidates, up to 60 000 dots, and all else.
// Every picture is an affine map of model coordinates, so that dots take a few operations each.

const N_ELEMENTS = scene.elements.length;
const ROOT3 = Math.sqrt(3);
const MODEL_CORNERS = {
  3: [[-0.5, -ROOT3 / 6, 0], [0.5, -ROOT3 / 6, 0], [0, ROOT3 / 3, 0]],
  4: [[-0.5, -ROOT3 / 6, -0.2], [0.5, -ROOT3 / 6, -0.2], [0, ROOT3 / 3, -0.2], [0, 0, Math.sqrt(2 / 3) - 0.2]],
};
const FLAT = { yaw: 0, tilt: Math.PI / 2 };
const SHALLOW = 0.005; // eV/atom: a hull less deep than this is drawn as shallow as it is
const MANY = 5000; // more candidates than this get smaller and fainter dots
const FULL = 215; // opacity of many dots on each other, of 255

/** Where a composition with a formation energy lies in the model. */
function modelPlace(fractions, energy, depth) {
  if (N_ELEMENTS === 2) return [fractions[1], energy, 0];
  const corners = MODEL_CORNERS[N_ELEMENTS];
  const place = [0, 1, 2].map((i) => corners.reduce((sum, corner, k) => sum + fractions[k] * corner[i], 0));
  if (N_ELEMENTS === 3) place[2] += (0.6 * energy) / Math.max(depth, SHALLOW);
  return place;
}

function niceStep(span) {
  const rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 2.5, 5, 10].find((m) => m * power >= rough);
}

/** The candidates of a stage, unpacked. */
function cloudOf(packed, depth) {
  const compositions = unpacked(packed.compositions, Uint32Array);
  const energies = unpacked(packed.energies, Float32Array);
  const above = unpacked(packed.above, Float32Array);
  const model = new Float32Array(3 * packed.count);
  for (let i = 0; i < packed.count; i += 1) {
    model.set(modelPlace(packed.fractions[compositions[i]], energies[i], depth), 3 * i);
  }
  return {
    ...packed, compositions, energies, above, model,
    x: new Float32Array(packed.count), y: new Float32Array(packed.count), visible: true,
  };
}

class HullFigure {
  constructor(figure, dialog) {
    this.dialog = dialog;
    this.depth = Math.max(-Math.min(...scene.energies), 1e-6);
    this.phases = scene.phases.map((phase) => ({ ...phase, model: modelPlace(phase.fractions, phase.energy, this.depth) }));
    this.vertices = scene.vertices.map((one, i) => modelPlace(one, scene.energies[i], this.depth));
    this.clouds = scene.clouds.map((packed) => cloudOf(packed, this.depth));
    this.limit = N_ELEMENTS === 2 ? Infinity : 0.05;
    this.showDft = true;
    this.camera = N_ELEMENTS === 3 ? { ...FLAT } : { yaw: 0.18, tilt: 0.32 };
    this.cloudCanvas = make('canvas');
    this.canvas = make('canvas', { role: 'img', 'aria-label': figure.dataset.title });
    this.ring = make('div', { class: 'ring', hidden: true });
    this.tip = make('div', { class: 'tip', hidden: true, role: 'status' });
    this.stage = make('div', { class: 'stage' }, this.cloudCanvas, this.canvas, this.ring, this.tip);
    figure.prepend(this.controls(), this.stage);
    this.redraw = onceAFrame(() => this.draw());
    draggable(this.canvas, {
      turn: (dx, dy) => this.turn(dx, dy),
      tap: (event) => this.tap(event),
      move: (event) => this.hover(event),
    });
    this.canvas.addEventListener('pointerleave', () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.stage);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    this.setMode();
  }

  get isFlat() {
    return N_ELEMENTS === 2 || (N_ELEMENTS === 3 && this.camera.tilt === FLAT.tilt);
  }

  // What can be chosen

  controls() {
    const box = (kind, words, change) => make('label', {},
      make('input', { type: 'checkbox', checked: 'checked', change: (event) => { change(event.target.checked); this.redraw(); } }),
      make('i', { class: kind }), words);
    const parts = [make('span', {}, make('i', { class: 'stable' }), 'stable'), box('dft', 'DFT', (on) => { this.showDft = on; })];
    this.clouds.forEach((cloud, i) => {
      const words = `${cloud.name} (potential)`;
      parts.push(box(`cloud${i % 2}`, words, (on) => { cloud.visible = on; }));
    });
    if (N_ELEMENTS > 2) {
      const words = make('output', {}, '50');
      const slider = make('input', { type: 'range', min: 0, max: 300, step: 5, value: 50, 'aria-label': 'meV/atom above the hull',
        input: () => { this.limit = slider.value / 1000; words.textContent = slider.value; this.redraw(); } });
      parts.push(make('label', { class: 'range' }, slider, make('span', {}, 'up to ', words, ' meV/atom above hull')));
    }
    if (N_ELEMENTS === 3) {
      this.button = make('button', { click: () => {
        Object.assign(this.camera, this.isFlat ? { yaw: 0.35, tilt: 0.42 } : FLAT);
        this.setMode();
        this.draw();
      } });
      parts.push(this.button);
    }
    return make('div', { class: 'controls' }, ...parts);
  }

  setMode() {
    if (this.button) this.button.textContent = this.isFlat ? 'Show energies in 3D' : 'Show flat';
    this.stage.classList.toggle('turns', !this.isFlat);
  }

  turn(dx, dy) {
    if (this.isFlat) return;
    this.point(null);
    this.camera.yaw += dx / 150;
    this.camera.tilt = Math.max(-1.5, Math.min(1.5, this.camera.tilt + dy / 150));
    this.redraw();
  }

  // Where things lie

  layout() {
    this.width = this.stage.clientWidth;
    const share = N_ELEMENTS === 2 ? 0.53 : 0.74;
    this.height = Math.round(Math.max(320, Math.min(620, share * this.width)));
    this.stage.style.height = `${this.height}px`;
    this.matrix = N_ELEMENTS === 2 ? this.binaryMatrix() : this.cameraMatrix();
    for (const phase of this.phases) phase.at = this.place(phase.model);
    for (const cloud of this.clouds) {
      const [[a, b, c, d], [e, f, g, h]] = this.matrix;
      for (let i = 0, k = 0; i < cloud.count; i += 1, k += 3) {
        const x = cloud.model[k], y = cloud.model[k + 1], z = cloud.model[k + 2];
        cloud.x[i] = a * x + b * y + c * z + d;
        cloud.y[i] = e * x + f * y + g * z + h;
      }
    }
  }

  binaryMatrix() {
    const low = this.depth > 1e-5 ? -1.16 * this.depth : -0.02, high = Math.max(0.4 * this.depth, 0.02);
    this.axes = { low, high, left: 58, right: this.width - 14, top: 10, bottom: this.height - 46 };
    const { left, right, top, bottom } = this.axes;
    const rise = (bottom - top) / (high - low);
    return [[right - left, 0, 0, left], [0, -rise, 0, bottom + low * rise], [0, 0, 0, 0]];
  }

  cameraMatrix() {
    const reach = this.isFlat ? [1, ROOT3 / 2] : [1.05, N_ELEMENTS === 3 ? 1.0 : 1.04];
    const scale = Math.min((this.width - 84) / reach[0], (this.height - 76) / reach[1]);
    const up = this.isFlat ? ROOT3 / 12 : (N_ELEMENTS === 3 ? -0.22 : 0.1);
    const columns = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((unit) => turned(unit, this.camera));
    const [right, rise, eye] = [0, 1, 2].map((i) => columns.map((column) => column[i]));
    return [
      [...right.map((x) => scale * x), this.width / 2],
      [...rise.map((x) => -scale * x), this.height / 2 + scale * up],
      [...eye, 0],
    ];
  }

  place([x, y, z]) {
    return this.matrix.map(([a, b, c, d]) => a * x + b * y + c * z + d);
  }

  isShown(phase) {
    if (!phase.stable && !this.showDft) return false;
    return phase.stable || (N_ELEMENTS === 2 ? phase.energy <= this.axes.high : phase.above <= this.limit);
  }

  // What is drawn

  draw() {
    this.layout();
    this.drawClouds();
    const context = fitted(this.canvas, this.width, this.height);
    context.lineJoin = context.lineCap = 'round';
    this.colours = Object.fromEntries(['paper', 'ink', 'soft', 'faint', 'rule', 'accent', 'warm'].map((name) => [name, colour(name)]));
    if (N_ELEMENTS === 2) this.drawAxes(context);
    else this.drawFrame(context);
    this.drawPhases(context);
    this.drawLabels(context);
  }

  drawClouds() {
    const context = fitted(this.cloudCanvas, this.width, this.height);
    const { width, height } = this.cloudCanvas;
    const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    const ratio = window.devicePixelRatio || 1;
    const isMany = this.clouds.reduce((sum, cloud) => sum + cloud.count, 0) > MANY;
    const size = Math.max(1, Math.round((isMany ? 2 : 3) * ratio)), faint = isMany ? 70 : 150;
    const { top = 0, bottom = this.height } = this.axes ?? {};
    this.clouds.forEach((cloud, index) => {
      if (!cloud.visible) return;
      const [r, g, b] = colour(index % 2 ? 'two' : 'one');
      const paint = (b << 16) | (g << 8) | r;
      for (let i = 0; i < cloud.count; i += 1) {
        if (cloud.above[i] > this.limit || cloud.y[i] < top || cloud.y[i] > bottom) continue;
        const left = Math.round(cloud.x[i] * ratio - size / 2), up = Math.round(cloud.y[i] * ratio - size / 2);
        if (left < 0 || up < 0 || left + size > width || up + size > height) continue;
        for (let row = up; row < up + size; row += 1) {
          for (let k = row * width + left; k < row * width + left + size; k += 1) {
            pixels[k] = paint | (Math.min(FULL, (pixels[k] >>> 24) + faint) << 24);
          }
        }
      }
    });
    context.putImageData(image, 0, 0);
  }

  drawAxes(context) {
    const { low, high, left, right, bottom } = this.axes;
    const { ink, soft, faint, rule, accent } = this.colours;
    const step = niceStep(high - low);
    context.font = '12px system-ui, sans-serif';
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (let k = Math.ceil(low / step); k <= Math.floor(high / step); k += 1) {
      const [, y] = this.place([0, k * step, 0]);
      stroke(context, [left, y], [right, y], css(k === 0 ? faint : rule), 1);
      context.fillStyle = css(soft);
      context.fillText(milli(k * step, step < 0.001 ? 1 : 0), left - 8, y);
    }
    stroke(context, [left, bottom], [right, bottom], css(faint), 1);
    context.textAlign = 'center';
    for (let k = 0; k <= 5; k += 1) context.fillText((k / 5).toFixed(1), this.place([k / 5, 0, 0])[0], bottom + 14);
    context.fillStyle = css(ink);
    context.font = '13px system-ui, sans-serif';
    const [first, second] = scene.elements.map((one) => one.symbol);
    context.fillText(`x in ${first}₁₋ₓ${second}ₓ`, (left + right) / 2, bottom + 35);
    context.save();
    context.translate(11, this.height / 2 - 20);
    context.rotate(-Math.PI / 2);
    context.fillText('formation energy (meV/atom)', 0, 0);
    context.restore();
    const corners = this.vertices.map((one) => this.place(one)).sort((a, b) => a[0] - b[0]);
    corners.slice(1).forEach((corner, i) => stroke(context, corners[i], corner, css(accent), 1.8));
  }

  /** The triangle or tetrahedron of compositions, its faces and what coexists. */
  drawFrame(context) {
    const { ink, faint, accent } = this.colours;
    const corners = MODEL_CORNERS[N_ELEMENTS].map((corner) => this.place(corner));
    corners.forEach((a, i) => corners.slice(0, i).forEach((b) => stroke(context, a, b, css(faint), 1)));
    const at = this.vertices.map((one) => this.place(one));
    if (N_ELEMENTS === 3) {
      const far = (facet) => facet.reduce((sum, v) => sum + at[v][2], 0);
      for (const facet of [...scene.facets].sort((a, b) => far(a) - far(b))) {
        const mean = facet.reduce((sum, v) => sum + scene.energies[v], 0) / facet.length;
        context.fillStyle = css(accent, 0.03 + 0.35 * Math.max(0, -mean / this.depth));
        context.beginPath();
        facet.forEach((v, i) => context[i ? 'lineTo' : 'moveTo'](at[v][0], at[v][1]));
        context.fill();
      }
    }
    const ties = new Set(scene.facets.flatMap((facet) => facet.flatMap((a, i) =>
      facet.slice(0, i).map((b) => `${Math.min(a, b)} ${Math.max(a, b)}`))));
    for (const tie of ties) {
      const [a, b] = tie.split(' ').map((v) => at[v]);
      const near = N_ELEMENTS === 4 ? 0.3 + 0.45 * (0.5 + (a[2] + b[2]) / 2.4) : 0.75;
      stroke(context, a, b, css(accent, Math.max(0.15, Math.min(0.8, near))), 1.1);
    }
    if (N_ELEMENTS === 3 && !this.isFlat) {
      for (const phase of this.phases.filter((one) => one.stable)) {
        const [x, y] = phase.model;
        context.setLineDash([2, 4]);
        stroke(context, phase.at, this.place([x, y, 0]), css(faint, 0.7), 1);
        context.setLineDash([]);
      }
    }
    const centre = this.place([0, 0, 0]);
    context.font = '600 15px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = css(ink);
    corners.forEach((corner, i) => {
      const away = [corner[0] - centre[0], corner[1] - centre[1]];
      const length = Math.hypot(...away) || 1;
      context.fillText(scene.elements[i].symbol, corner[0] + (20 * away[0]) / length, corner[1] + (20 * away[1]) / length);
    });
  }

  drawPhases(context) {
    const { paper, accent, warm, faint } = this.colours;
    const shown = this.phases.filter((phase) => this.isShown(phase));
    const order = (phase) => (this.isFlat ? Number(phase.stable) * 1e6 - phase.above : phase.at[2] + (phase.stable ? 0.05 : 0));
    for (const phase of shown.sort((a, b) => order(a) - order(b))) {
      const share = N_ELEMENTS === 2 ? 0 : Math.min(1, phase.above / Math.max(this.limit, 1e-9));
      context.beginPath();
      context.arc(phase.at[0], phase.at[1], phase.stable ? 5 : 3.4, 0, 2 * Math.PI);
      context.fillStyle = css(phase.stable ? accent : paper);
      context.strokeStyle = css(phase.stable ? paper : mix(warm, faint, share), 1 - 0.55 * share);
      context.lineWidth = phase.stable ? 1.5 : 1.3;
      context.fill();
      context.stroke();
    }
  }

  /** Formulas beside stable compounds, where they cover neither another nor a point. */
  drawLabels(context) {
    const { ink, paper } = this.colours;
    const stable = this.phases.filter((phase) => phase.stable && (N_ELEMENTS === 2 || Math.max(...phase.fractions) < 1));
    const taken = this.phases.filter((phase) => phase.stable).map(({ at: [x, y] }) => [x - 6, y - 6, x + 6, y + 6]);
    const lowest = stable.reduce((a, b) => (b.energy < a.energy ? b : a), stable[0]);
    context.font = '600 13px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.lineWidth = 4;
    context.strokeStyle = css(paper);
    context.fillStyle = css(ink);
    for (const phase of stable) {
      const [x, y] = phase.at, words = subscript(phase.formula), half = context.measureText(words).width / 2;
      const side = N_ELEMENTS === 2 && phase.fractions[1] % 1 ? Math.sign(x - lowest.at[0]) : 0; // away from the hull
      const places = [[side * (half + 7), side ? 12 : 17], [side * (half + 9), side ? 0 : 17], [side * (half + 4), side ? 22 : 17]];
      places.push([0, 17], [0, -16], [half + 11, 0], [-half - 11, 0]);
      for (const dy of [17, -16, 31, -30]) places.push([half, dy], [-half, dy]);
      const boxes = places.map(([dx, dy]) => [x + dx - half, y + dy - 8, x + dx + half, y + dy + 8]);
      const covered = boxes.map((box) => this.covered(box, taken));
      const best = covered.indexOf(Math.min(...covered));
      if (covered[best] > 30 && N_ELEMENTS > 2) continue; // no room: the pointer tells
      taken.push(boxes[best]);
      context.strokeText(words, x + places[best][0], y + places[best][1]);
      context.fillText(words, x + places[best][0], y + places[best][1]);
    }
  }

  /** The area a box shares with others, or has outside of the picture. */
  covered(box, others) {
    const shared = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    const inside = shared(box, [0, 0, this.width, this.height]);
    return others.reduce((sum, other) => sum + shared(box, other), 0) + (box[2] - box[0]) * (box[3] - box[1]) - inside;
  }

  // What the pointer is at

  /** The phase or candidate nearest to a place; of those that cover each other, the lowest. */
  nearest(x, y) {
    let best = null, close = 14 ** 2;
    const closer = (square, above) => square < close - 0.25 || (best && square < close + 0.25 && above < best.above);
    for (const phase of this.phases) {
      if (!this.isShown(phase)) continue;
      const square = (phase.at[0] - x) ** 2 + (phase.at[1] - y) ** 2;
      if (closer(square, phase.above)) { close = Math.min(close, square); best = phase; }
    }
    if (best) return best;
    let found = null;
    close = 8 ** 2;
    const { top = 0, bottom = this.height } = this.axes ?? {};
    for (const cloud of this.clouds) {
      if (!cloud.visible) continue;
      for (let i = 0; i < cloud.count; i += 1) {
        const square = (cloud.x[i] - x) ** 2 + (cloud.y[i] - y) ** 2;
        if (square > close + 0.25 || cloud.above[i] > this.limit || cloud.y[i] < top || cloud.y[i] > bottom) continue;
        if (square < close - 0.25 || (best && cloud.above[i] < best.above)) {
          close = Math.min(close, square);
          best = { above: cloud.above[i] };
          found = [cloud, i];
        }
      }
    }
    return found && this.candidate(...found);
  }

  candidate(cloud, i) {
    return {
      id: cloud.ids[i], formula: cloud.formulas[cloud.compositions[i]], stage: cloud.name, stable: false,
      energy: cloud.energies[i], above: cloud.above[i], at: [cloud.x[i], cloud.y[i]],
    };
  }

  hover(event) {
    if (event.pointerType === 'touch') return;
    this.point(this.nearest(event.offsetX, event.offsetY));
  }

  tap(event) {
    const phase = this.nearest(event.offsetX, event.offsetY);
    if (phase) this.dialog.show(phase);
  }

  /** Show what is known of a phase beside it; nothing for null. */
  point(phase) {
    this.ring.hidden = this.tip.hidden = !phase;
    this.canvas.style.cursor = phase ? 'pointer' : '';
    if (!phase) return;
    const [x, y] = phase.at;
    this.ring.style.transform = `translate(${x}px, ${y}px)`;
    const lines = [
      make('b', {}, subscript(phase.formula)),
      ...(phase.group ? [phase.group] : []),
      phase.id,
      `${milli(phase.energy)} meV/atom ${phase.stage ? `by the potential of ${phase.stage}` : 'by DFT'}`,
      distanceText(phase),
    ];
    this.tip.replaceChildren(...lines.map((line) => make('div', {}, line)));
    const { offsetWidth, offsetHeight } = this.tip;
    const left = x + 16 + offsetWidth > this.width ? x - 16 - offsetWidth : x + 16;
    const top = Math.max(0, Math.min(this.height - offsetHeight, y - offsetHeight / 2));
    this.tip.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  }
}
