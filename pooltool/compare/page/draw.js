// How the page draws: pictures and windows on canvases, from what page.js keeps in state.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
const shade = (value) => Math.max(0, Math.min(255,
  Math.round((value - DATA.black) / (DATA.white - DATA.black) * 255)));

// Planes as a canvas of one pixel a value: the picture's colours, or a single plane in gray.
function imageOf(planes, height, width) {
  const canvas = make("canvas", { width, height }), context = canvas.getContext("2d");
  const image = context.createImageData(width, height), out = image.data;
  const [red, green, blue, alpha] = planes.length === 3 || planes.length === 4
    ? planes : [planes[0], planes[0], planes[0]];
  for (let i = 0; i < height * width; i++) {
    const unknown = red[i] !== red[i] || green[i] !== green[i] || blue[i] !== blue[i]; // NaN
    [out[4 * i], out[4 * i + 1], out[4 * i + 2]] = unknown
      ? [214, 64, 196] : [shade(red[i]), shade(green[i]), shade(blue[i])];
    out[4 * i + 3] = alpha ? Math.round(alpha[i] / DATA.opaque * 255) : 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

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

// Gray squares that show through where the picture is transparent, or slanting lines.
function pattern(context, kind) {
  const tile = make("canvas", { width: 16, height: 16 }), ink = tile.getContext("2d");
  fill(ink, kind === "checks" ? "#e4e4e4" : colour("hatch-paper"), [0, 0, 16, 16]);
  if (kind === "checks") fill(ink, "#bcbcbc", [0, 0, 8, 8], [8, 8, 8, 8]);
  Object.assign(ink, { strokeStyle: colour("hatch"), lineWidth: 1.2 });
  for (const x of kind === "hatch" ? [-16, -8, 0, 8, 16] : []) {
    ink.stroke(new Path2D(`M ${x} 16 l 16 -16`));
  }
  return context.createPattern(tile, "repeat");
}

// Where the picture with its padding lies, and how large a pixel is drawn.
function lookAt() {
  const ends = layout.map(({ size, step, windows }) => {
    const last = windows[windows.length - 1], end = last.start + step * (last.length - 1) + 1;
    return [Math.min(0, windows[0].start), Math.max(size, end)];
  });
  const low = ends.map(([first]) => first), lengths = ends.map(([first, last]) => last - first);
  const aspect = lengths[1] / lengths[0];
  $("pictures").dataset.columns = aspect > 3.2 ? 1 : aspect > 1.9 ? 2 : 4;
  const room = $("input").parentElement.clientWidth;
  const scale = Math.min(room / lengths[1], Math.max(1.35 * room, 360) / lengths[0]);
  view = { low, lengths, scale: lengths.map((length) => Math.max(scale, 56 / length)) };
}

const at = (k, position) => (position - view.low[k]) * view.scale[k];

function drawPicture(name) {
  const { image, planes, axes } = pictures[name];
  const [height, width] = AXES.map((k) => view.lengths[k] * view.scale[k]);
  const [tall, wide] = axes.map(({ pitch }, k) => pitch * view.scale[k]); // a cell
  const [top, left] = axes.map(({ origin }, k) => at(k, origin));
  const [high, broad] = axes.map(({ count, pitch }, k) => count * pitch * view.scale[k]);
  const whole = [left, top, broad, high];
  const context = sized($(name), width, height), hatch = pattern(context, "hatch");
  fill(context, hatch, [0, 0, width, height]);
  if (DATA.channels.includes("alpha")) fill(context, pattern(context, "checks"), whole);
  context.imageSmoothingEnabled = Math.min(tall, wide) * devicePixelRatio < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, ...whole);
  context.globalAlpha = 0.8;
  if (name === "input") uncovered().forEach((runs, k) => runs.forEach(([first, last]) => {
    const start = at(k, first), length = (last - first) * view.scale[k];
    const box = k ? [start, 0, length, height] : [0, start, width, length];
    if (length >= 3) fill(context, hatch, box);
  }));
  context.globalAlpha = 1;
  const boxes = litBoxes(name, [tall, wide]);
  const large = boxes.length && boxes.length * boxes[0][2] * boxes[0][3] > 400;
  const numbered = Math.min(tall, wide) >= 9;
  if (large && !numbered) { // dim all the others, where that does not belie the numbers in them
    context.beginPath();
    for (const box of [[0, 0, width, height], ...boxes]) context.rect(...box);
    context.fillStyle = colour("veil");
    context.fill("evenodd");
  }
  if (numbered) writeCells(context, cellsIn(planes, axes), tall, wide);
  if (state.timer && name !== "input") { // cover the results that are still to come
    const [i, j] = state.picked.at, y = top + i * tall, x = left + (j + 1) * wide;
    fill(context, colour("card"), [x, y, left + broad - x, tall],
      [left, y + tall, broad, top + high - y - tall]);
  }
  if (boxes.length && !large) { // lines that lead the eye to something small
    const [[x, y, w, h]] = boxes, middle = y + h / 2 - 0.5, centre = x + w / 2 - 0.5;
    fill(context, colour("guide"), [0, middle, x - 5, 1], [x + w + 5, middle, width, 1],
      [centre, 0, 1, y - 5], [centre, y + h + 5, 1, height]);
  }
  for (const [strokeStyle, lineWidth] of [["rgba(0,0,0,.6)", 5], [colour("accent"), 3]]) {
    Object.assign(context, { strokeStyle, lineWidth });
    for (const [x, y, w, h] of boxes) { // kept inside the canvas, so that no side is cut off
      const [x0, y0] = [Math.max(x, 2.5), Math.max(y, 2.5)];
      const [x1, y1] = [Math.min(x + w, width - 2.5), Math.min(y + h, height - 2.5)];
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
  }
}

function cellsIn(planes, [rows, columns]) {
  return Array.from({ length: rows.count * columns.count }, (_, index) => ({
    y: at(0, edge(rows, Math.floor(index / columns.count))),
    x: at(1, edge(columns, index % columns.count)),
    values: planes.slice(0, NUMBERED).map((plane) => plane[index]),
  }));
}

// Lines around cells of this size, [{y, x, values}], and their numbers where they can be read.
function writeCells(context, cells, tall, wide) {
  Object.assign(context, { lineWidth: 1, strokeStyle: "rgba(128,128,128,.45)" });
  for (const { y, x } of cells) context.strokeRect(x, y, wide, tall);
  if (!cells.length || cells.length > 3000) return;
  const short = (value) => number(
    Math.abs(value) < 10 ? Number(value.toPrecision(2)) : Math.round(value));
  const lines = cells[0].values.length;
  const [whole, rounded] = [number, short].map((words) => {
    const shown = cells.map(({ values }) => values.map(words));
    const longest = Math.max(...shown.flat().map((word) => word.length));
    const size = Math.min(24, tall * 0.5, tall * 0.8 / lines, wide * 0.86 / (0.6 * longest));
    return { shown, size };
  });
  const { shown, size } = whole.size < 8 ? rounded : whole;
  if (size < 8) return;
  context.font = `500 ${size}px ui-sans-serif, system-ui, sans-serif`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  cells.forEach(({ y, x, values }, index) => {
    const [r, g, b] = values.length >= 3 ? values.map(shade) : Array(3).fill(shade(values[0]));
    const clear = values.length === 4 && values[3] < DATA.opaque / 2;
    const light = !values.some(Number.isNaN) && 0.299 * r + 0.587 * g + 0.114 * b > 135;
    context.fillStyle = clear || light ? "#16181b" : "#fff";
    shown[index].forEach((word, line) => {
      const offset = (line - (lines - 1) / 2) * size * 1.12;
      context.fillText(word, x + wide / 2, y + tall / 2 + offset + size * 0.05);
    });
  });
}

// [x, y, width, height] of the pixels that are lit or, in a result, of the windows.
function litBoxes(name, cell) {
  const { pixels, windows } = selection(), lit = name === "input" ? pixels : windows;
  const [rows, columns] = pictures[name].axes.map((axis, k) => joined(lit[k]).map(([i, end]) => {
    const start = at(k, edge(axis, i)), length = (end - i) * cell[k];
    const grown = Math.max(0, 7 - length); // so that it is seen
    return [start - grown / 2, length + grown];
  }));
  return rows.flatMap(([y, h]) => columns.map(([x, w]) => [x, y, w, h])).slice(0, 2000);
}

// A window's pixels enlarged, see `cellsOf`, the winners framed.
function drawWindow(canvas, cells, winners) {
  const height = cells[cells.length - 1].i + 1, width = cells.length / height;
  const longest = Math.max(height, width);
  const scale = Math.min(Math.max(16, Math.min(64, Math.floor(252 / longest))), 280 / longest);
  const context = sized(canvas, width * scale + 4, height * scale + 4);
  context.imageSmoothingEnabled = false;
  const values = Float64Array.from(cells, ({ value }) => value);
  const image = imageOf([values], height, width);
  context.drawImage(image, 2, 2, width * scale, height * scale);
  const placed = cells.map(({ i, j, value }) => (
    { y: 2 + i * scale, x: 2 + j * scale, values: [value] }));
  const padding = placed.filter((cell) => cell.values[0] === undefined);
  fill(context, pattern(context, "hatch"), ...padding.map(({ y, x }) => [x, y, scale, scale]));
  const inside = placed.filter((cell) => cell.values[0] !== undefined);
  if (scale >= 9) writeCells(context, inside, scale, scale);
  for (const [name, { i, j }] of Object.entries(winners)) {
    const inset = name === "min" && winners.max === winners.min ? 5 : 1.5;
    const side = Math.max(scale - 2 * inset, 4);
    Object.assign(context, { strokeStyle: colour(name), lineWidth: 3.5 });
    context.strokeRect(2 + j * scale + inset, 2 + i * scale + inset, side, side);
  }
}
