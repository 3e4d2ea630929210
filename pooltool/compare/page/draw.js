// How pictures and windows are drawn on canvases. A place is where on a canvas a part of a picture
// goes: {x, y, width, height} in CSS pixels, `low`, the position of its corner in the picture, and
// `scale`, CSS pixels a pixel of the picture, both [rows, columns].

let pictures = null; // name -> {planes, axes, bitmap, change, figures, ...}; axes: [rows, columns]
let layout = null; // the windows along [rows, columns], as `lay` has them, and `uncovered`
let view = null; // {low, lengths, scale}, each [rows, columns]: the picture with its padding
let info = DATA.info; // what is known of the picture that is shown

let inks = {}; // colors of the theme by name
function readInks() {
  const style = getComputedStyle(document.documentElement);
  inks = {};
  for (const name of [...METHODS, "card", "accent", "ink", "hatch", "hatch-paper", "guide"]) {
    inks[name] = style.getPropertyValue(`--${name}`).trim();
  }
}
const shade = (value) => Math.max(0, Math.min(255,
  Math.round((value - info.black) / (info.white - info.black) * 255)));

function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1, context = canvas.getContext("2d");
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function fill(context, style, ...boxes) {
  context.fillStyle = style;
  for (const box of boxes) context.fillRect(...box);
}

// Slanting lines where no picture or window is; gray squares behind what is transparent.
function pattern(context, kind) {
  const tile = make("canvas", { width: 16, height: 16 }), ink = tile.getContext("2d");
  fill(ink, kind === "checks" ? "#e4e4e4" : inks["hatch-paper"], [0, 0, 16, 16]);
  if (kind === "checks") fill(ink, "#bcbcbc", [0, 0, 8, 8], [8, 8, 8, 8]);
  Object.assign(ink, { strokeStyle: inks.hatch, lineWidth: 1.2 });
  for (let x = -16; kind === "hatch" && x <= 16; x += 8) ink.stroke(new Path2D(`M ${x} 16 l 16 -16`));
  return context.createPattern(tile, "repeat");
}

const edge = ({ origin, pitch }, i) => origin + i * pitch; // where the cells of an axis begin
const at = (place, k, position) => (
  (k ? place.x : place.y) + (position - place.low[k]) * place.scale[k]);
const middleOf = ({ name, at: cell }) => (
  pictures[name].axes.map((axis, k) => edge(axis, cell[k] + 0.5)));
const cellAt = (name, position) => pictures[name].axes.map(({ origin, pitch, count }, k) => (
  clamped(Math.floor((position[k] - origin) / pitch), count)));
const tapsOf = (axis, i) => {
  const { first, taken } = axis.windows[i];
  return Array.from({ length: taken }, (_, tap) => first + tap * axis.step);
};

// [rows, columns] of the pixels and of the windows that are lit, and [i, j] of the window whose
// numbers are shown, null where there is none.
function selection() {
  const { name, at: cell } = state.picked, own = cell.map((i) => [i]);
  if (name !== "input") {
    return { pixels: AXES.map((k) => tapsOf(layout[k], cell[k])), windows: own, shown: cell };
  }
  const windows = layout.map((axis, k) => axis.windows.flatMap(({ first, taken }, i) => {
    const tap = (cell[k] - first) / axis.step;
    return Number.isInteger(tap) && tap >= 0 && tap < taken ? [i] : [];
  }));
  const nearest = cellAt("max", middleOf(state.picked));
  const shown = AXES.map((k) => (windows[k].includes(nearest[k]) ? nearest[k] : windows[k][0]));
  return { pixels: own, windows, shown: shown.includes(undefined) ? null : shown };
}

// Where the picture with its padding lies, and how large a pixel is drawn.
function lookAt() {
  const low = layout.map(({ windows }) => Math.min(0, windows[0].start));
  const lengths = layout.map(({ size, windows }, k) => Math.max(size, windows.at(-1).end) - low[k]);
  const aspect = lengths[1] / lengths[0];
  $("pictures").dataset.columns = aspect > 3.2 ? 1 : aspect > 1.9 ? 2 : 4;
  const room = $("input").parentElement.clientWidth, small = Math.max(...lengths) <= LARGEST_GRID;
  const tallest = small ? Math.min(room, 0.42 * innerHeight + 100) : Math.max(1.35 * room, 360);
  const scale = Math.min(room / lengths[1], tallest / lengths[0]);
  view = { low, lengths, scale: lengths.map((length) => Math.max(scale, 56 / length)) };
}

// Draw a picture's pixels, or what it changed by, and its numbers where they can be read.
function drawCells(context, name, place) {
  const { bitmap, axes, planes, change } = pictures[name];
  const [rows, columns] = axes.map(({ origin, pitch, count }, k) => {
    const begin = place.low[k] - origin, length = (k ? place.width : place.height) / place.scale[k];
    const first = Math.max(0, Math.floor(begin / pitch));
    return { first, count: Math.max(0, Math.min(count, Math.ceil((begin + length) / pitch)) - first) };
  });
  const [tall, wide] = axes.map(({ pitch }, k) => pitch * place.scale[k]);
  const [height, width] = [rows.count, columns.count], hatch = pattern(context, "hatch");
  fill(context, hatch, [place.x, place.y, place.width, place.height]);
  if (!width || !height) return;
  const top = at(place, 0, edge(axes[0], rows.first)), left = at(place, 1, edge(axes[1], columns.first));
  const box = [left, top, width * wide, height * tall];
  if (info.channels.includes("alpha")) fill(context, pattern(context, "checks"), box);
  context.imageSmoothingEnabled = Math.min(tall, wide) * devicePixelRatio < 1;
  context.imageSmoothingQuality = "medium";
  context.drawImage(bitmap, columns.first, rows.first, width, height, ...box);
  context.globalAlpha = 0.8;
  if (name === "input") layout.forEach((axis, k) => axis.uncovered.forEach(([first, last]) => {
    const begin = at(place, k, first), length = (last - first) * place.scale[k];
    const strip = k ? [begin, place.y, length, place.height] : [place.x, begin, place.width, length];
    if (length >= 3) fill(context, hatch, strip);
  }));
  context.globalAlpha = 1;
  const isNumbered = isSmall() || info.channels.length === 1 || place.isWhole;
  if (!isNumbered || Math.min(tall, wide) < 9 || width * height > 3000) return;
  const shown = state.difference && change ? change.planes : planes;
  const cells = Array.from({ length: width * height }, (_, index) => {
    const [i, j] = [rows.first + Math.floor(index / width), columns.first + index % width];
    const where = i * axes[1].count + j;
    return { y: at(place, 0, edge(axes[0], i)), x: at(place, 1, edge(axes[1], j)),
      changed: change && change.planes.some((plane) => plane[where] !== 0),
      values: shown.slice(0, isPlain() ? 4 : 1).map((plane) => plane[where]) };
  });
  writeCells(context, cells, tall, wide, shown !== planes);
  if (change && isSmall()) markCells(context, cells, tall, wide, name !== "input");
}

// Lines around cells of this size, [{y, x, values}], and their numbers where they can be read.
function writeCells(context, cells, tall, wide, isChange = false) {
  Object.assign(context, { lineWidth: 1, strokeStyle: "rgba(128,128,128,.45)" });
  for (const { y, x } of cells) context.strokeRect(x, y, wide, tall);
  const words = (value) => (value > 0 && isChange ? "+" : "") + number(value);
  const lines = cells.length ? cells[0].values.length : 0;
  const shown = cells.map(({ values }) => values.map(words));
  const longest = Math.max(...shown.flat().map((word) => word.length));
  const size = Math.min(26, tall * 0.5, tall * 0.8 / lines, wide * 0.86 / (0.6 * longest));
  if (!(size >= 8)) return;
  context.font = `500 ${size}px ui-sans-serif, system-ui, sans-serif`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  cells.forEach(({ y, x, values }, index) => {
    const [r, g, b] = values.length >= 3 ? values.map(shade) : Array(3).fill(shade(values[0]));
    const clear = values.length === 4 && values[3] < info.opaque / 2;
    const light = !values.some(Number.isNaN) && 0.299 * r + 0.587 * g + 0.114 * b > 135;
    context.fillStyle = !isChange && (clear || light) ? "#16181b" : "#fff";
    if (isChange) Object.assign(context, { strokeStyle: "#16181b", lineWidth: 3 });
    shown[index].forEach((word, line) => {
      const offset = (line - (lines - 1) / 2) * size * 1.12;
      const where = [x + wide / 2, y + tall / 2 + offset + size * 0.05];
      if (isChange) context.strokeText(word, ...where);
      context.fillText(word, ...where);
    });
  });
}

// A triangle in the corner of what changed; "=" in results that did not.
function markCells(context, cells, tall, wide, isResult) {
  const side = Math.max(5, Math.min(13, tall / 4, wide / 4));
  for (const { y, x, changed } of cells) {
    const right = x + wide - 1, top = y + 1;
    if (changed) {
      context.fillStyle = inks.accent;
      context.fill(new Path2D(`M ${right} ${top} h ${-side} l ${side} ${side} z`));
    } else if (isResult && side >= 8) {
      fill(context, "#fff", [right - side - 3, top + 1, side + 3, side + 1]);
      fill(context, "#16181b", [right - side, top + side / 2 - 2, side - 2, 2],
        [right - side, top + side / 2 + 2, side - 2, 2]);
    }
  }
}

// [x, y, width, height] of the pixels that are lit or, in a result, of the windows; inside the
// place, so that no side of their frames is cut off.
function litBoxes(name, place, least) {
  const { pixels, windows } = selection(), lit = name === "input" ? pixels : windows;
  const [rows, columns] = pictures[name].axes.map((axis, k) => runsOf(lit[k]).map((run) => {
    const [low, length] = k ? [place.x, place.width] : [place.y, place.height];
    const [begin, end] = run.map((i) => at(place, k, edge(axis, i)));
    const grown = Math.max(0, least - (end - begin)) / 2; // so that it is seen
    return [begin - grown, end + grown].map((side) => (
      Math.max(low + 2.5, Math.min(low + length - 2.5, side))));
  }));
  return rows.flatMap(([top, bottom]) => columns.map(([left, right]) => (
    [left, top, right - left, bottom - top]))).slice(0, 2000);
}

function frame(context, boxes, color = inks.accent) {
  for (const [strokeStyle, lineWidth] of [["rgba(0,0,0,.6)", 5], [color, 3]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    for (const box of boxes) context.strokeRect(...box);
  }
}

// What is still to be revealed: a cell with a question mark.
function cover(context, [x, y, w, h]) {
  fill(context, inks.card, [x, y, w, h]);
  Object.assign(context, { fillStyle: inks.ink, textAlign: "center", textBaseline: "middle" });
  context.font = `600 ${Math.max(10, Math.min(28, h * 0.6))}px ui-sans-serif, system-ui, sans-serif`;
  context.fillText("?", x + w / 2, y + h / 2);
}
const isHidden = (name) => name !== "input" && state.predict && !state.revealed;

function drawPicture(name) {
  const [height, width] = AXES.map((k) => view.lengths[k] * view.scale[k]);
  const place = { x: 0, y: 0, width, height, low: view.low, scale: view.scale, isWhole: true };
  const picture = pictures[name], key = JSON.stringify([width, height, state.theme, state.printing]);
  if (picture.drawn !== key) { // without what is lit, which moves
    picture.base = make("canvas");
    drawCells(sized(picture.base, width, height), name, place);
    picture.drawn = key;
  }
  const context = sized($(name), width, height), boxes = litBoxes(name, place, 7);
  context.drawImage(picture.base, 0, 0, width, height);
  if (state.timer && name !== "input") coverComing(context, place, picture.axes);
  else if (isHidden(name)) boxes.slice(0, 1).forEach((box) => cover(context, box));
  if (boxes.length && boxes.length * boxes[0][2] * boxes[0][3] <= 400) { // lead the eye to it
    const [[x, y, w, h]] = boxes, middle = y + h / 2 - 0.5, center = x + w / 2 - 0.5;
    fill(context, inks.guide, [0, middle, x - 5, 1], [x + w + 5, middle, width, 1],
      [center, 0, 1, y - 5], [center, y + h + 5, 1, height]);
  }
  frame(context, boxes);
}

// While the window slides: cover the results that are still to come.
function coverComing(context, place, [rows, columns]) {
  const [i, j] = state.picked.at, { width, height } = place;
  const [y, below] = [i, i + 1].map((row) => at(place, 0, edge(rows, row)));
  const x = state.leap > 1 ? width : at(place, 1, edge(columns, j + 1));
  fill(context, inks.card, [x, y, width - x, below - y], [0, below, width, height - below]);
}
