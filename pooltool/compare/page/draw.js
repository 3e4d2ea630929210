// How the page draws: pictures and windows on canvases, from what page.js keeps in state.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
const shade = (value) => Math.max(0, Math.min(255,
  Math.round((value - DATA.black) / (DATA.white - DATA.black) * 255)));

// Planes as a canvas of one pixel a value: the picture's colours, or a single plane in gray.
function imageOf({ planes, count: [height, width] }) {
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

function pattern(context, kind) {
  const tile = make("canvas", { width: 16, height: 16 }), ink = tile.getContext("2d");
  ink.fillStyle = kind === "checks" ? "#e4e4e4" : colour("hatch-paper");
  ink.fillRect(0, 0, 16, 16);
  ink.fillStyle = "#bcbcbc";
  if (kind === "checks") for (const at of [0, 8]) ink.fillRect(at, at, 8, 8);
  ink.strokeStyle = colour("hatch");
  ink.lineWidth = 1.2;
  if (kind === "hatch") for (const x of [-16, -8, 0, 8, 16]) {
    ink.beginPath(); ink.moveTo(x, 16); ink.lineTo(x + 16, 0); ink.stroke();
  }
  return context.createPattern(tile, "repeat");
}

// Where the picture with its padding lies, and how large a pixel is drawn.
function lookAt() {
  const ends = layout.map(({ size, step, windows }) => {
    const last = windows[windows.length - 1];
    return [Math.min(0, windows[0].start), Math.max(size, last.start + step * (last.length - 1) + 1)];
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
  const picture = pictures[name], { origin, pitch, count } = picture;
  const [height, width] = AXES.map((k) => view.lengths[k] * view.scale[k]);
  const context = sized($(name), width, height);
  const box = AXES.map((k) => [at(k, origin[k]), count[k] * pitch[k] * view.scale[k]]);
  const [[top, tall], [left, wide]] = box;
  context.fillStyle = pattern(context, "hatch");
  context.fillRect(0, 0, width, height);
  if (DATA.channels.includes("alpha")) {
    context.fillStyle = pattern(context, "checks");
    context.fillRect(left, top, wide, tall);
  }
  const cell = AXES.map((k) => pitch[k] * view.scale[k]);
  context.imageSmoothingEnabled = Math.min(...cell) * devicePixelRatio < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.image, left, top, wide, tall);
  if (name === "input") drawUncovered(context, width, height);
  const boxes = litBoxes(name, cell);
  const large = boxes.length && boxes.length * boxes[0][2] * boxes[0][3] > 400;
  if (large) dimOthers(context, boxes, width, height);
  drawCells(context, picture, cell);
  if (state.timer && name !== "input") hideLater(context, box, cell);
  if (boxes.length && !large) drawGuides(context, boxes[0], width, height);
  outline(context, boxes, width, height);
}

// Lines between cells that are large enough, and their numbers where they can be read.
function drawCells(context, { planes, count, origin, pitch }, [tall, wide]) {
  if (Math.min(tall, wide) < 9) return;
  const cells = [];
  for (let i = 0; i < count[0]; i++) {
    for (let j = 0; j < count[1]; j++) {
      const values = planes.slice(0, NUMBERED).map((plane) => plane[i * count[1] + j]);
      const [y, x] = [at(0, origin[0] + i * pitch[0]), at(1, origin[1] + j * pitch[1])];
      cells.push({ y, x, tall, wide, values });
    }
  }
  writeCells(context, cells);
}

function writeCells(context, cells) {
  const { tall, wide } = cells[0] || {};
  context.lineWidth = 1;
  context.strokeStyle = "rgba(128,128,128,.45)";
  for (const { y, x } of cells) context.strokeRect(x, y, wide, tall);
  const lines = cells.length ? Math.max(...cells.map(({ values }) => values.length)) : 0;
  if (!lines || cells.length > 3000) return;
  const short = (value) => number(Number(Math.abs(value) < 10 ? value.toPrecision(2) : Math.round(value)));
  const fitting = [number, short].map((words) => {
    const shown = cells.map(({ values }) => values.map(words));
    const longest = Math.max(...shown.flat().map((word) => word.length));
    return { shown, size: Math.min(24, tall * 0.5, tall * 0.8 / lines, wide * 0.86 / (0.6 * longest)) };
  });
  const { shown, size } = fitting[fitting[0].size < 8 ? 1 : 0];
  if (size < 8) return;
  context.font = `500 ${size}px ui-sans-serif, system-ui, sans-serif`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  cells.forEach(({ y, x, values }, index) => {
    const [r, g, b] = values.length >= 3 ? values.map(shade) : Array(3).fill(shade(values[0]));
    const clear = values.length === 4 && values[3] < DATA.opaque / 2;
    const unknown = values.some(Number.isNaN);
    const bright = clear || (!unknown && 0.299 * r + 0.587 * g + 0.114 * b > 135);
    context.fillStyle = bright ? "#16181b" : "#fff";
    shown[index].forEach((word, line) => {
      const offset = (line - (values.length - 1) / 2) * size * 1.12;
      context.fillText(word, x + wide / 2, y + tall / 2 + offset + size * 0.05);
    });
  });
}

// Hatch rows and columns of the picture that no window holds.
function drawUncovered(context, width, height) {
  context.globalAlpha = 0.8;
  context.fillStyle = pattern(context, "hatch");
  uncovered().forEach((runs, k) => runs.forEach(([first, last]) => {
    const [start, length] = [at(k, first), (last - first) * view.scale[k]];
    if (length >= 3) context.fillRect(...(k ? [start, 0, length, height] : [0, start, width, length]));
  }));
  context.globalAlpha = 1;
}

// While the window slides, results that are still to come are covered.
function hideLater(context, [[top, tall], [left, wide]], [cellTall, cellWide]) {
  const [i, j] = state.picked.at, y = top + i * cellTall, x = left + (j + 1) * cellWide;
  context.fillStyle = colour("card");
  context.fillRect(x, y, left + wide - x, cellTall);
  context.fillRect(left, y + cellTall, wide, top + tall - y - cellTall);
}

// [x, y, width, height] of the picked pixel or the pixels of its window; in results, of the windows.
function litBoxes(name, cell) {
  const { windows, shown } = selection(), isInput = name === "input";
  let lit = windows;
  if (isInput && state.picked.name === "input") lit = state.picked.at.map((i) => [i]);
  else if (isInput) lit = AXES.map((k) => tapsOf(layout[k], shown[k]));
  const { origin, pitch } = pictures[name];
  const [rows, columns] = AXES.map((k) => joined(lit[k]).map(([first, last]) => {
    const start = at(k, origin[k] + first * pitch[k]), length = (last - first) * cell[k];
    const grown = Math.max(0, 7 - length); // so that it is seen
    return [start - grown / 2, length + grown];
  }));
  return rows.flatMap(([y, h]) => columns.map(([x, w]) => [x, y, w, h])).slice(0, 2000);
}

function dimOthers(context, boxes, width, height) {
  context.beginPath();
  context.rect(0, 0, width, height);
  boxes.forEach((box) => context.rect(...box));
  context.fillStyle = colour("veil");
  context.fill("evenodd");
}

// Lines that lead the eye to something small.
function drawGuides(context, [x, y, w, h], width, height) {
  const [middle, centre] = [y + h / 2, x + w / 2];
  context.fillStyle = colour("guide");
  context.fillRect(0, middle - 0.5, x - 5, 1);
  context.fillRect(x + w + 5, middle - 0.5, width, 1);
  context.fillRect(centre - 0.5, 0, 1, y - 5);
  context.fillRect(centre - 0.5, y + h + 5, 1, height);
}

function outline(context, boxes, width, height) {
  for (const [ink, thickness] of [["rgba(0,0,0,.6)", 5], [colour("accent"), 3]]) {
    Object.assign(context, { strokeStyle: ink, lineWidth: thickness });
    for (const [x, y, w, h] of boxes) { // kept inside the canvas, so that no side is cut off
      const [left, top] = [Math.max(x, 2.5), Math.max(y, 2.5)];
      context.strokeRect(left, top, Math.min(x + w, width - 2.5) - left, Math.min(y + h, height - 2.5) - top);
    }
  }
}

// A window's pixels enlarged, the winners framed.
function drawWindow(canvas, cells, winners) {
  const [height, width] = [cells.length, cells[0].length], longest = Math.max(height, width);
  const scale = Math.min(Math.max(16, Math.min(64, Math.floor(252 / longest))), 280 / longest);
  const context = sized(canvas, width * scale + 4, height * scale + 4);
  const values = Float64Array.from(cells.flat(), ({ value }) => value);
  context.imageSmoothingEnabled = false;
  const image = imageOf({ planes: [values], count: [height, width] });
  context.drawImage(image, 2, 2, width * scale, height * scale);
  context.fillStyle = pattern(context, "hatch");
  const drawn = [];
  cells.forEach((row, i) => row.forEach(({ value }, j) => {
    const [y, x] = [2 + i * scale, 2 + j * scale];
    if (value === undefined) context.fillRect(x, y, scale, scale);
    else if (scale >= 9) drawn.push({ y, x, tall: scale, wide: scale, values: [value] });
  }));
  writeCells(context, drawn);
  for (const [name, inset] of [["max", 1.5], ["min", winners.max === winners.min ? 5 : 1.5]]) {
    const i = cells.findIndex((row) => row.includes(winners[name]));
    if (i < 0) continue;
    const j = cells[i].indexOf(winners[name]), side = Math.max(scale - 2 * inset, 4);
    Object.assign(context, { strokeStyle: colour(name), lineWidth: 3.5 });
    context.strokeRect(2 + j * scale + inset, 2 + i * scale + inset, side, side);
  }
}
