// How pictures and windows are drawn. A place is the part of a picture that a canvas shows, each
// [rows, columns]: the `size` of the canvas in CSS pixels, `low`, the position of its corner in the
// picture, and `scale`, CSS pixels a pixel of the picture.

const AXES = [0, 1], FONT = "ui-sans-serif, system-ui, sans-serif";
const LARGEST_GRID = 16, BEHIND = 210; // the gray behind what is transparent

let info = DATA.info; // what is known of the picture that is shown
let pictures = null; // name -> {planes, axes, bitmap, change, ...}; axes: [rows, columns]
let layout = null; // the windows along [rows, columns], as `lay` has them
let view = null; // the place of the whole picture with its padding, and its `lengths` in pixels
let lit = null; // what is selected, see `selection`

let inks = {}; // colors of the theme by name
function readInks() {
  const style = getComputedStyle(document.documentElement);
  for (const name of [...NAMES, "card", "ink", "hatch", "hatched"]) {
    inks[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

// Give a canvas this size in CSS pixels, empty.
function sized(canvas, [height, width]) {
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

function write(context, words, x, y, font, align = "center") {
  Object.assign(context, { font: `${font} ${FONT}`, textAlign: align, textBaseline: "middle" });
  context.fillText(words, x, y);
}

// Lines with an edge, so that they are seen on every picture.
function outline(context, path, color) {
  for (const [strokeStyle, lineWidth] of [[inks.card, 5], [color, 3]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    context.stroke(path);
  }
}

// Slanting lines, where no picture or window is.
function hatch(context, ...boxes) {
  const tile = make("canvas", { width: 8, height: 8 }), ink = tile.getContext("2d");
  fill(ink, inks.hatched, [0, 0, 8, 8]);
  Object.assign(ink, { strokeStyle: inks.hatch, lineWidth: 1.2 });
  ink.stroke(new Path2D("M -4 4 l 8 -8 M 0 8 l 8 -8 M 4 12 l 8 -8"));
  fill(context, context.createPattern(tile, "repeat"), ...boxes);
}

const edge = ({ origin, pitch }, i) => origin + i * pitch; // where the cells of an axis begin
const drawnAt = ({ low, scale }, k, position) => (position - low[k]) * scale[k];
const middleOf = (name, cell) => pictures[name].axes.map((axis, k) => edge(axis, cell[k] + 0.5));
const cellAt = (name, at) => pictures[name].axes.map(({ origin, pitch, count }, k) => (
  clamped(Math.floor((at[k] - origin) / pitch), count)));
const countsOf = () => layout.map((axis) => axis.count);
const isSmall = () => Math.max(info.height, info.width) <= LARGEST_GRID; // so that it is edited

// The pixels of window i along an axis.
function tapsOf({ windows, step }, i) {
  return Array.from({ length: windows[i].taken }, (_, tap) => windows[i].first + tap * step);
}

// The `cell` that is selected, [rows, columns] of the pixels and of the windows that are lit, and
// `shown`, [i, j] of the window whose numbers are shown, null where there is none.
function selection() {
  const { name, at } = state.selected, cell = cellAt(name, at), own = cell.map((i) => [i]);
  if (name !== "input") {
    return { cell, pixels: AXES.map((k) => tapsOf(layout[k], cell[k])), windows: own, shown: cell };
  }
  const windows = layout.map((axis, k) => (
    [...axis.windows.keys()].filter((i) => tapsOf(axis, i).includes(cell[k]))));
  const nearest = cellAt("max", at);
  const shown = AXES.map((k) => (windows[k].includes(nearest[k]) ? nearest[k] : windows[k][0]));
  return { cell, pixels: own, windows, shown: shown.includes(undefined) ? null : shown };
}

// Where the picture with its padding lies, and how large a pixel is drawn.
function lookAt() {
  const low = layout.map(({ windows }) => Math.min(0, windows[0].start));
  const lengths = layout.map(({ size, windows }, k) => Math.max(size, windows.at(-1).end) - low[k]);
  const aspect = lengths[1] / lengths[0], isNarrow = innerWidth <= 1020 || state.isPrinting;
  const columns = aspect > 3.2 ? 1 : aspect > 1.9 || isNarrow ? 2 : 4;
  $("pictures").style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  const room = $("input").parentElement.clientWidth;
  const fitting = Math.min(room / lengths[1], Math.max(1.35 * room, 360) / lengths[0]);
  const scale = lengths.map((length) => Math.max(fitting, 56 / length));
  view = { size: AXES.map((k) => lengths[k] * scale[k]), low, lengths, scale };
}

// Draw a part of a picture: its pixels, its numbers where they can be read, and frames around what is
// selected, which are returned. Of one channel, if it is given.
function drawPart(canvas, name, place, channel = null) {
  const context = sized(canvas, place.size), frames = new Path2D(), boxes = litBoxes(name, place);
  hatch(context, [0, 0, place.size[1], place.size[0]]);
  drawPixels(context, name, place);
  drawNumbers(context, name, place, channel);
  for (const box of boxes) {
    const [x, y, width, height] = box;
    frames.rect(...box);
    if (!isHidden(name)) continue;
    fill(context, inks.card, box);
    context.fillStyle = inks.ink;
    write(context, "?", x + width / 2, y + height / 2, `600 ${Math.min(28, height * 0.6)}px`);
  }
  outline(context, frames, inks[name]);
  return boxes;
}

// What is still to be revealed.
const isHidden = (name) => name !== "input" && state.predict && !state.revealed;

function drawPixels(context, name, place) {
  const { bitmap, axes } = pictures[name], { size: [tall, wide], scale } = place;
  const [top, left] = axes.map((axis, k) => drawnAt(place, k, edge(axis, 0)));
  const [height, width] = axes.map(({ pitch, count }, k) => pitch * count * scale[k]);
  fill(context, grayOf(BEHIND), [left, top, width, height]);
  context.imageSmoothingEnabled = width < bitmap.width;
  context.imageSmoothingQuality = "medium";
  context.drawImage(bitmap, left, top, width, height);
  if (name !== "input") return;
  context.globalAlpha = 0.8;
  for (const k of AXES) {
    for (const [first, end] of runsOf(layout[k].uncovered)) {
      const begin = drawnAt(place, k, first), length = (end - first) * scale[k];
      if (length >= 3) hatch(context, k ? [begin, 0, length, tall] : [0, begin, wide, length]);
    }
  }
  context.globalAlpha = 1;
}

// [3, 4, 5, 9] -> [[3, 6], [9, 10]]
function runsOf(list) {
  const runs = [];
  for (const i of list) {
    if (runs.length && runs.at(-1)[1] === i) runs.at(-1)[1] = i + 1;
    else runs.push([i, i + 1]);
  }
  return runs;
}

// The cells of an axis of which a part lies in a place.
function cellsIn({ origin, pitch, count }, { low, size, scale }, k) {
  const [begin, end] = [0, size[k] / scale[k]].map((length) => (low[k] + length - origin) / pitch);
  const first = Math.max(0, Math.floor(begin)), length = Math.min(count, Math.ceil(end)) - first;
  return Array.from({ length: Math.max(0, length) }, (_, i) => first + i);
}

// Lines around cells and the numbers of those that are seen whole, where they can be read; in the
// corner of a small picture's cell what became of it.
function drawNumbers(context, name, place, channel = null) {
  const { axes, planes, change } = pictures[name];
  const isChange = state.difference && change !== null && channel === null;
  const [tall, wide] = axes.map(({ pitch }, k) => pitch * place.scale[k]);
  if (Math.min(tall, wide) < 16) return;
  const [first, end] = channel !== null ? [channel, channel + 1] : [0, isPlain() ? 4 : 1];
  const shown = (isChange ? change.planes : planes).slice(first, end);
  const [rows, columns] = axes.map((axis, k) => cellsIn(axis, place, k));
  const cells = rows.flatMap((i) => columns.map((j) => {
    const where = i * axes[1].count + j, values = shown.map((plane) => plane[where]);
    const [y, x] = [i, j].map((n, k) => drawnAt(place, k, edge(axes[k], n)));
    const mark = !change || !isSmall() ? "" : change.planes.some((plane) => plane[where] !== 0) ? "◥"
      : name === "input" ? "" : "=";
    const isLeftOver = name === "input" && [i, j].some((n, k) => layout[k].uncovered.includes(n));
    const light = isChange ? lightnessOfChange(values) : lightness(values);
    const isWhole = [[y, tall], [x, wide]].every(([begin, length], k) => (
      begin > -1 && begin + length < place.size[k] + 1));
    return { x, y, mark, isLeftOver, light, numbers: isWhole ? values : [] };
  }));
  const all = cells.flatMap(({ numbers }) => numbers);
  const { size, wordsOf } = typeOf(tall / shown.length, wide, all);
  if (!size) return;
  Object.assign(context, { lineWidth: 1, strokeStyle: "rgba(128,128,128,.45)" });
  for (const { x, y, numbers, mark, isLeftOver, light } of cells) {
    if (channel !== null && light >= 0) fill(context, grayOf(light), [x, y, wide, tall]);
    context.strokeRect(x, y, wide, tall);
    context.fillStyle = isLeftOver ? inks.ink : inkOn(light);
    numbers.forEach((value, line) => {
      const offset = (line - (numbers.length - 1) / 2) * size * 1.12;
      write(context, wordsOf(value), x + wide / 2, y + tall / 2 + offset + size * 0.05, `500 ${size}px`);
    });
    if (mark) write(context, mark, x + wide - 6, y + 12, "600 13px", "right");
  }
}

// The largest type in which all values can be read in a box, in pixels, 0 for none; and how they are
// written: with fewer digits where the box has no room for all.
function typeOf(tall, wide, values) {
  for (const wordsOf of [number, shortNumber]) {
    const longest = Math.max(...values.map((value) => wordsOf(value).length));
    const size = Math.min(26, tall * 0.7, wide * 0.86 / (0.64 * longest));
    if (size >= 8) return { size, wordsOf };
  }
  return { size: 0 };
}

// How light the cell of these values is drawn, from 0 to 255.
function lightness([red, green = red, blue = red, alpha = info.opaque]) {
  const light = 0.299 * red + 0.587 * green + 0.114 * blue, opacity = alpha / info.opaque;
  const shown = clamped((light - info.black) / (info.white - info.black) * 255, 256);
  return shown * opacity + BEHIND * (1 - opacity);
}
const lightnessOfChange = (values) => (
  255 * Math.max(...values.slice(0, 3).map(Math.abs)) / (state.largest || 1));
const grayOf = (light) => `rgb(${light} ${light} ${light})`;
const inkOn = (light) => (light <= 117 ? "#fff" : "#000"); // either has a contrast of 4.5:1

// [x, y, width, height] of the pixels that are lit or, in a result, of the windows; inside the
// place, so that no side of their frames is cut off, and large enough to be seen.
function litBoxes(name, place) {
  const cells = name === "input" ? lit.pixels : lit.windows;
  const [rows, columns] = pictures[name].axes.map((axis, k) => runsOf(cells[k]).map((run) => {
    const [begin, end] = run.map((i) => drawnAt(place, k, edge(axis, i)));
    const grown = Math.max(0, 7 - (end - begin)) / 2;
    return [begin - grown, end + grown].map((side) => (
      Math.max(2.5, Math.min(place.size[k] - 2.5, side))));
  }));
  return rows.flatMap(([top, bottom]) => columns.map(([left, right]) => (
    [left, top, right - left, bottom - top]))).slice(0, 2000);
}

function drawPicture(name) {
  const [height, width] = view.size, boxes = drawPart($(name), name, view), [x, y, w, h] = boxes[0] || [];
  const context = $(name).getContext("2d"), middle = y + h / 2 - 0.5, center = x + w / 2 - 0.5;
  if (state.timer && name !== "input") { // while the window slides: cover the results to come
    fill(context, inks.card, [0, y + h, width, height], [state.leap > 1 ? width : x + w, y, width, h]);
  }
  if (boxes.length !== 1 || w * h > 400) return;
  fill(context, inks[name], [0, middle, x - 5, 1], [x + w + 5, middle, width, 1], // lead the eye to it
    [center, 0, 1, y - 5], [center, y + h + 5, 1, height]);
}
