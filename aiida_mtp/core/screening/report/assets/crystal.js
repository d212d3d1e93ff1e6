// A crystal in three dimensions, and as files.

const element = new Map(scene.elements.map((one) => [one.symbol, one]));

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const norm = (a) => Math.hypot(...a);
const cartesian = (cell, [u, v, w]) => [0, 1, 2].map((i) => u * cell[0][i] + v * cell[1][i] + w * cell[2][i]);

/** Atoms of one cell, those on its faces on all of them, and the bonds between what is drawn. */
function contents(phase) {
  const atoms = [];
  const near = 1e-3;
  phase.sites.forEach((site, i) => {
    const home = site.map((x) => { const y = x - Math.floor(x); return y > 1 - near ? 0 : y; });
    const choices = home.map((x) => (x < near ? [0, 1] : [0]));
    for (const a of choices[0]) for (const b of choices[1]) for (const c of choices[2]) {
      const place = cartesian(phase.cell, [home[0] + a, home[1] + b, home[2] + c]);
      atoms.push({ symbol: phase.symbols[i], place });
    }
  });
  const bonds = [];
  atoms.forEach((a, i) => atoms.slice(0, i).forEach((b) => {
    const reach = 1.2 * (element.get(a.symbol).radius + element.get(b.symbol).radius);
    if (norm(minus(a.place, b.place)) < reach) bonds.push([a, b]);
  }));
  return { atoms, bonds };
}

const CORNERS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]];
const EDGES = [[0, 1], [0, 2], [1, 3], [2, 3], [4, 5], [4, 6], [5, 7], [6, 7], [0, 4], [1, 5], [2, 6], [3, 7]];

const BALL = 0.42; // radius of the ball of an atom, of its covalent radius

class CrystalView {
  constructor(canvas) {
    this.canvas = canvas;
    this.redraw = onceAFrame(() => this.draw());
    draggable(canvas, {
      turn: (dx, dy) => {
        this.camera.yaw += dx / 120;
        this.camera.tilt = Math.max(-1.57, Math.min(1.57, this.camera.tilt + dy / 120));
        this.redraw();
      },
    });
  }

  show(phase) {
    this.phase = phase;
    this.camera = { yaw: 0.5, tilt: 0.3 };
    const { atoms, bonds } = contents(phase);
    const corners = CORNERS.map((corner) => cartesian(phase.cell, corner));
    const centre = cartesian(phase.cell, [0.5, 0.5, 0.5]);
    this.centre = centre;
    this.size = Math.max(...[...corners, ...atoms.map((a) => a.place)].map((p) => norm(minus(p, centre)))) + 0.8;
    this.atoms = atoms;
    this.bonds = bonds;
    this.corners = corners;
    this.redraw();
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width || !this.phase) return;
    const context = fitted(this.canvas, box.width, box.height);
    const scale = Math.min(box.width, box.height) / 2 / this.size;
    const at = (place) => {
      const [x, y, z] = turned(minus(place, this.centre), this.camera);
      return [box.width / 2 + scale * x, box.height / 2 - scale * y, z];
    };
    const ink = colour('soft');
    const parts = [];
    for (const [i, j] of EDGES) {
      const a = at(this.corners[i]), b = at(this.corners[j]);
      // in pieces, so that atoms hide only what is behind them
      for (let k = 0; k < 12; k += 1) {
        const p = mix(a, b, k / 12), q = mix(a, b, (k + 1) / 12);
        parts.push({ z: (p[2] + q[2]) / 2 + 0.2, draw: () => stroke(context, p, q, css(ink), 1.2) });
      }
    }
    for (const [a, b] of this.bonds) {
      const middle = mix(a.place, b.place, 0.5), length = norm(minus(a.place, b.place));
      for (const atom of [a, b]) {
        const { colour: hex, radius } = element.get(atom.symbol);
        const from = at(mix(atom.place, middle, Math.min(1, (1.8 * BALL * radius) / length))), to = at(middle);
        const shade = mix(rgb(hex), [128, 128, 128], 0.35);
        parts.push({ z: (from[2] + to[2]) / 2, draw: () => stroke(context, from, to, css(shade), 0.16 * scale) });
      }
    }
    for (const atom of this.atoms) {
      const [x, y, z] = at(atom.place);
      const { colour: hex, radius } = element.get(atom.symbol);
      parts.push({ z: z + 1e-6, draw: () => ball(context, x, y, BALL * radius * scale, rgb(hex)) });
    }
    parts.sort((a, b) => a.z - b.z).forEach((part) => part.draw());
    this.labelAxes(context, at, ink);
  }

  labelAxes(context, at, ink) {
    context.fillStyle = css(ink);
    context.font = 'italic 14px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const origin = at(this.corners[0]);
    [['a', 1], ['b', 2], ['c', 4]].forEach(([name, corner]) => {
      const end = at(this.corners[corner]);
      const length = Math.hypot(end[0] - origin[0], end[1] - origin[1]);
      if (length < 12) return;
      const middle = mix(origin, end, 0.5);
      const side = [-(end[1] - origin[1]) / length, (end[0] - origin[0]) / length];
      const out = side[0] * (middle[0] - at(this.centre)[0]) + side[1] * (middle[1] - at(this.centre)[1]) < 0 ? -12 : 12;
      context.fillText(name, middle[0] + out * side[0], middle[1] + out * side[1]);
    });
  }
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function stroke(context, [ax, ay], [bx, by], style, width) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(ax, ay);
  context.lineTo(bx, by);
  context.stroke();
}

function ball(context, x, y, radius, base) {
  const light = context.createRadialGradient(x - 0.35 * radius, y - 0.35 * radius, 0.1 * radius, x, y, radius);
  light.addColorStop(0, css(mix(base, [255, 255, 255], 0.65)));
  light.addColorStop(0.45, css(base));
  light.addColorStop(1, css(mix(base, [0, 0, 0], 0.45)));
  context.fillStyle = light;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** The crystal as CIF, without symmetry: every atom of the cell is listed. */
function cif(phase) {
  const angle = (i, j) => {
    const cosine = dot(phase.cell[i], phase.cell[j]) / norm(phase.cell[i]) / norm(phase.cell[j]);
    return (180 / Math.PI) * Math.acos(Math.max(-1, Math.min(1, cosine)));
  };
  const lines = [`data_${phase.formula}`];
  ['a', 'b', 'c'].forEach((name, i) => lines.push(`_cell_length_${name} ${norm(phase.cell[i]).toFixed(7)}`));
  [['alpha', 1, 2], ['beta', 0, 2], ['gamma', 0, 1]].forEach(([name, i, j]) =>
    lines.push(`_cell_angle_${name} ${angle(i, j).toFixed(7)}`));
  lines.push("_symmetry_space_group_name_H-M 'P 1'", '_symmetry_Int_Tables_number 1',
    'loop_', '_symmetry_equiv_pos_as_xyz', "'x, y, z'", 'loop_', '_atom_site_label',
    '_atom_site_type_symbol', '_atom_site_fract_x', '_atom_site_fract_y', '_atom_site_fract_z',
    '_atom_site_occupancy');
  phase.sites.forEach((site, i) => {
    const symbol = phase.symbols[i];
    lines.push(`${symbol}${i + 1} ${symbol} ${site.map((x) => x.toFixed(8)).join(' ')} 1`);
  });
  return `${lines.join('\n')}\n`;
}

/** The crystal as POSCAR, in the orientation DFT had it in. */
function poscar(phase) {
  const symbols = [...new Set(phase.symbols)];
  const row = (values, digits) => values.map((x) => x.toFixed(digits).padStart(digits + 6)).join(' ');
  const sites = symbols.map((symbol) => phase.sites.filter((_, i) => phase.symbols[i] === symbol));
  return [
    phase.formula, '1.0', ...phase.cell.map((vector) => row(vector, 7)), symbols.join(' '),
    sites.map((own) => own.length).join(' '), 'Direct', ...sites.flat().map((site) => row(site, 8)), '',
  ].join('\n');
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const link = make('a', { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** The window that shows one phase: its numbers, its crystal, its files. */
class PhaseDialog {
  constructor() {
    this.title = make('h3');
    this.facts = make('dl');
    this.canvas = make('canvas', { class: 'crystal' });
    this.legend = make('p', { class: 'legend' });
    this.buttons = make('p', { class: 'buttons' },
      this.button('CIF', () => download(`${this.phase.formula}.cif`, cif(this.phase))),
      this.button('POSCAR', () => download(`${this.phase.formula}.vasp`, poscar(this.phase))));
    this.dialog = make('dialog', { autofocus: '', click: (event) => { if (event.target === this.dialog) this.dialog.close(); } },
      make('div', {}, make('header', {}, this.title,
        make('button', { class: 'close', 'aria-label': 'Close', click: () => this.dialog.close() }, '×')),
      this.canvas, this.legend, this.facts, this.buttons));
    document.body.append(this.dialog);
    this.view = new CrystalView(this.canvas);
    window.addEventListener('resize', () => this.view.redraw());
  }

  button(words, click) {
    return make('button', { click }, words);
  }

  /** Show a phase of DFT, or a candidate that has no structure here. */
  show(phase) {
    this.phase = phase;
    this.title.textContent = subscript(phase.formula);
    const facts = [
      ['prototype', phase.id],
      ...(phase.origin && phase.origin !== phase.id ? [['from', phase.origin]] : []),
      ...(phase.group ? [['space group', phase.group]] : []),
      ['formation energy', `${milli(phase.energy)} meV/atom${phase.stage ? `, by the potential of ${phase.stage}` : ''}`],
      ['stability', distanceText(phase)],
      ...(phase.stage ? [['why kept or dropped', `aiida-mtp why ${phase.id}`]] : []),
    ];
    this.facts.replaceChildren(...facts.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
    const drawn = Boolean(phase.cell);
    this.canvas.hidden = this.legend.hidden = this.buttons.hidden = !drawn;
    this.dialog.showModal();
    if (!drawn) return;
    this.legend.replaceChildren(...[...new Set(phase.symbols)].map((symbol) => {
      const swatch = make('i');
      swatch.style.background = element.get(symbol).colour;
      return make('span', {}, swatch, symbol);
    }));
    this.view.show(phase);
  }
}
