// What all scripts of the page share.

const scene = JSON.parse(document.getElementById('scene').textContent);
const root = document.documentElement;

/** Make an element with attributes and children; strings become text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Energy in meV/atom with a true minus sign. */
function milli(energy, digits = 1) {
  const text = (1000 * energy).toFixed(digits);
  return (Number(text) === 0 ? text.replace('-', '') : text).replace('-', '−');
}

const subscript = (formula) => formula.replace(/\d/g, (digit) => '₀₁₂₃₄₅₆₇₈₉'[digit]);

function distanceText({ stable, above }) {
  if (stable) return 'on the hull';
  return `${milli(Math.abs(above))} meV/atom ${above < 0 ? 'below' : 'above'} the hull`;
}

/** A colour of the style sheet as [r, g, b]; it knows dark, light and paper. */
function colour(name) {
  const hex = getComputedStyle(root).getPropertyValue(`--${name}`).trim().slice(1);
  const full = hex.length === 3 ? [...hex].map((c) => c + c).join('') : hex;
  return [0, 2, 4].map((i) => parseInt(full.slice(i, i + 2), 16));
}

const css = ([r, g, b], alpha = 1) => `rgba(${Math.round(r)},${Math.round(g)},${Math.round(b)},${alpha})`;

const mix = (a, b, share) => a.map((value, i) => value + (b[i] - value) * share);

/** Numbers that were packed as the bytes of a typed array, in base64. */
function unpacked(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** Give a canvas the size it has on the page, and return its context in CSS pixels. */
function fitted(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Turn a point about the vertical axis by `yaw`, then towards the eye by `tilt`.
 *  The eye looks along -z of the result: [right, up, towards the eye]. */
function turned([x, y, z], { yaw, tilt }) {
  const c = Math.cos(yaw), s = Math.sin(yaw), ct = Math.cos(tilt), st = Math.sin(tilt);
  const right = c * x - s * y, back = s * x + c * y;
  return [right, st * back + ct * z, st * z - ct * back];
}

/** Call `turn(dx, dy)` while a pointer drags, and `tap(event)` where it was pressed and let go. */
function draggable(element, { turn, tap, move }) {
  let from = null, moved = false;
  element.addEventListener('pointerdown', (event) => {
    from = [event.clientX, event.clientY];
    moved = false;
  });
  element.addEventListener('pointermove', (event) => {
    if (!from) return move?.(event);
    const dx = event.clientX - from[0], dy = event.clientY - from[1];
    if (!moved && Math.hypot(dx, dy) < 4) return undefined;
    if (!moved) element.setPointerCapture(event.pointerId);
    moved = true;
    from = [event.clientX, event.clientY];
    return turn?.(dx, dy, event);
  });
  element.addEventListener('pointerup', (event) => {
    if (from && !moved) tap?.(event);
    from = null;
  });
  element.addEventListener('pointercancel', () => { from = null; });
}

/** Draw at most once per frame. */
function onceAFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
}
