// What the page asks of its Worker, which runs pool.js, measures.js and this file from a blob. A
// question is {kind, ...}; of several `compute`, only the newest is answered.

const LECTURE = [0, 3, 3, 0, 2, 7, 6, 8, 0, 1, 7, 6, 1, 3, 5, 6];
const KINDS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array,
  i4: Int32Array, f4: Float32Array, f8: Float64Array };
const MOST_DROPPED = 2_155_000; // values that a dropped picture keeps, as a page's file does
const NOISE_LEVEL = 0.02;

const isAlpha = (info, c) => info.channels[c] === "alpha";
const colorsOf = (info, planes) => planes.filter((_, c) => !isAlpha(info, c));

// Pictures: {planes, info}, of the page's file, the lecture's grid, or a file that was dropped.

function fromBase64(parts, info) {
  const characters = parts.map(atob).join(""), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  const all = new KINDS[info.numbers](bytes.buffer), size = info.height * info.width;
  return { info, planes: info.channels.map((_, c) => all.subarray(c * size, (c + 1) * size)) };
}

function lecture() {
  const size = { height: 4, width: 4 }, info = { ...size, title: "lecture", channels: ["gray"],
    file: { ...size, channels: 1 }, reduced: [1, 1] };
  return described([Uint8Array.from(LECTURE)], info);
}

// A file as the browser decodes it, to 8 bits; reduced as the package would.
async function fromFile(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  let { height, width } = bitmap, channels = ["red", "green", "blue", "alpha"];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let planes = channels.map((_, c) => (
    new Uint8Array(height * width).map((__, i) => data[4 * i + c])));
  const [red, green, blue, alpha] = planes;
  if (alpha.every((value) => value === 255)) {
    const isGray = red.every((value, i) => value === green[i] && value === blue[i]);
    channels = isGray ? ["gray"] : channels.slice(0, 3);
    planes = planes.slice(0, channels.length);
  }
  const whole = { height, width, channels: channels.length }, { ceil } = Math;
  let side = ceil(Math.max(height, width) / 4096);
  while (ceil(height / side) * ceil(width / side) * planes.length > MOST_DROPPED) side += 1;
  const reduced = [Math.min(side, height), Math.min(side, width)];
  if (side > 1) {
    const axes = layOver(height, width, { pool_size: reduced, stride: reduced, dilation: [1, 1],
      padding: [[0, 0], [0, 0]], ceil_mode: true, output_size: null });
    planes = planes.map((plane) => Uint8Array.from(poolBy("avg", plane, axes, false), toEven));
    [height, width] = axes.map((axis) => axis.count);
  }
  return described(planes, { title: file.name, height, width, channels, file: whole, reduced,
    isDropped: true });
}

// Which values are black and white, as `tones_of` of panel.py has them, and the noise.
function described(planes, info) {
  const values = colorsOf(info, planes);
  const low = Math.min(...values.map((plane) => plane.reduce((a, b) => Math.min(a, b))));
  const high = Math.max(...values.map((plane) => plane.reduce((a, b) => Math.max(a, b))));
  const stretched = low < high && high - low < 255 / 8;
  const [black, white] = stretched ? [low, high] : [0, 255];
  return { planes, info: { ...info, black, white, stretched, opaque: 255, dtype: "uint8", means: "f4",
    noise: NOISE_LEVEL * (high - low) } };
}

// Half to even, as the package rounds.
const toEven = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

// A mean as the dtype holds it that the package returns.
function asHeld(value, means) {
  if (means === "f4") return Math.fround(value);
  if (means !== "f2" || !Number.isFinite(value) || !value) return value;
  const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 10);
  const held = toEven(value / unit) * unit;
  return Math.abs(held) > 65504 ? Math.sign(held) * Infinity : held;
}

// The planes in float64: with the numbers that the reader wrote, noise, and moved by one pixel.
function disturbed({ planes, info }, { edits, noise, move }) {
  const random = normalNumbers();
  return planes.map((plane, c) => {
    const values = Float64Array.from(plane);
    for (const [index, ...own] of edits) if (index in values && c in own) values[index] = own[c];
    for (let i = 0; i < values.length; i++) {
      if (noise && !isAlpha(info, c)) values[i] += info.noise * random();
      if (move && i % info.width) values[i - 1] = values[i];
    }
    return values;
  });
}

// How planes differ from what they were: {planes, changed, total, largest}.
function changeOf(before, after, info) {
  const change = { changed: 0, total: 0, largest: 0 };
  change.planes = after.map((plane, c) => plane.map((value, i) => {
    const isSame = Object.is(value + 0, before[c][i] + 0);
    const size = isSame ? 0 : value - before[c][i];
    if (!isAlpha(info, c)) {
      change.total += 1;
      change.changed += !isSame;
      if (Number.isFinite(size)) change.largest = Math.max(change.largest, Math.abs(size));
    }
    return size;
  }));
  return change;
}

// Four bytes a value of the planes, as a canvas wants them.
function painted(planes, { black, white, opaque, channels }) {
  const colors = channels.length === 3 || channels.length === 4;
  const [red, green, blue] = colors ? planes : [planes[0], planes[0], planes[0]];
  const alpha = channels.length === 4 ? planes[3] : null, factor = 255 / (white - black);
  const out = new Uint8ClampedArray(4 * red.length); // which rounds and cuts
  for (let i = 0; i < red.length; i++) {
    const unknown = red[i] !== red[i] || green[i] !== green[i] || blue[i] !== blue[i]; // NaN
    out[4 * i] = unknown ? 214 : (red[i] - black) * factor;
    out[4 * i + 1] = unknown ? 64 : (green[i] - black) * factor;
    out[4 * i + 2] = unknown ? 196 : (blue[i] - black) * factor;
    out[4 * i + 3] = alpha ? alpha[i] / opaque * 255 : 255;
  }
  return out;
}

// A picture as it is handed to the page: with its mean, contrast and what is drawn. Where `largest`
// is given, it is shown by how much it changed: black for not at all, white for that much.
async function drawable({ planes, height, width, change = null }, info, largest = null) {
  const sizes = largest !== null && planes[0].map((_, i) => (
    Math.max(...colorsOf(info, change.planes).map((plane) => Math.abs(plane[i])))));
  const rgba = !sizes ? painted(planes, info)
    : painted([sizes], { black: 0, white: largest || 1, channels: ["gray"] });
  const bitmap = await createImageBitmap(new ImageData(rgba, width, height));
  const { mean, std } = Spread.of(colorsOf(info, planes));
  return { planes, height, width, mean, std, change, bitmap };
}

const stored = {}; // pictures by key
let newest = 0; // the question that is to be answered
const bell = new MessageChannel(); // which waits for less than a timer

// Let newer questions come in; where there is one, what is computed is given up.
async function pause(id) {
  if (id === newest) {
    await new Promise((resolve) => {
      bell.port1.onmessage = resolve;
      bell.port2.postMessage(0);
    });
  }
  if (id !== newest) throw { isOld: true };
}

async function load({ key, info, base64, file }) {
  try {
    stored[key] = base64 ? fromBase64(base64, info) : file ? await fromFile(file) : lecture();
    const { planes, info: own } = stored[key], input = await drawable({ planes, ...own }, own);
    postMessage({ kind: "picture", key, info: own, input }, [input.bitmap]);
  } catch (error) {
    postMessage({ kind: "problem", problem: { reason: "unreadable", name: file ? file.name : key } });
  }
}

async function compute(question) {
  const { id } = question;
  newest = id;
  try {
    await answer(question);
  } catch (error) {
    const problem = { ...error, reason: error.reason || "failed", words: String(error) };
    if (!error.isOld) postMessage({ kind: "problem", id, problem });
  }
}

// The results first, and the picture where it differs from the stored one; then the figures.
async function answer(question) {
  const { id, settings, noise, move, edits, difference } = question;
  const picture = stored[question.key], { info } = picture, pictures = {}, given = [];
  const axes = layOver(info.height, info.width, settings);
  const isStill = !(noise || move || edits.length);
  const input = isStill ? picture.planes : disturbed(picture, question);
  for (const name of isStill ? METHODS : NAMES) {
    const planes = await planesBy(name, input, axes, info.means, question);
    const [height, width] = name === "input" ? [info.height, info.width] : axes.map(({ count }) => count);
    pictures[name] = { planes, height, width, change: null };
    if (isStill) continue;
    const before = await planesBy(name, picture.planes, axes, info.means, question);
    pictures[name].change = changeOf(before, planes, info);
  }
  const changes = Object.values(pictures).map(({ change }) => change).filter(Boolean);
  const largest = Math.max(0, ...changes.map((change) => change.largest));
  for (const [name, one] of Object.entries(pictures)) {
    await pause(id);
    pictures[name] = await drawable(one, info, difference ? largest : null);
    const planes = [...one.planes, ...(one.change ? one.change.planes : [])];
    given.push(pictures[name].bitmap, ...planes.map((plane) => plane.buffer));
  }
  postMessage({ kind: "pictures", id, pictures, axes, largest }, given);
  postMessage({ kind: "figures", id, figures: await figuresOf(picture, question) });
}

async function figuresOf({ planes, info }, question) {
  const figures = { input: {}, max: {}, min: {}, avg: {} }, { noise, move, edits } = question;
  const colors = noise || move ? colorsOf(info, disturbed({ planes, info }, { edits })) : [];
  if (noise) await measureNoise(figures, colors, info, question);
  if (move) await measureShift(figures, colors, info, question);
  return figures;
}

// The planes of the picture called `name`: those given, or their results.
async function planesBy(name, planes, axes, means, { id, settings }) {
  const made = [];
  for (const plane of planes) {
    await pause(id);
    const values = madeBy(name, plane, axes, settings);
    made.push(name === "avg" ? values.map((value) => asHeld(value, means)) : values);
  }
  return made;
}

function startWorker() {
  onmessage = ({ data }) => (data.kind === "load" ? load(data) : compute(data));
}
