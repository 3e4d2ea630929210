// What the page asks of its Worker, which runs pool.js, measures.js and this file from a blob. A
// question is {kind, ...}; of several `compute` that wait, only the newest is answered.

const LECTURE = [0, 3, 3, 0, 2, 7, 6, 8, 0, 1, 7, 6, 1, 3, 5, 6];
const KINDS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array,
  i4: Int32Array, f4: Float32Array, f8: Float64Array };
const MOST_DROPPED = 2_155_000; // values that a dropped picture keeps, as a page's file does
const NOISE_LEVEL = 0.02;

const isAlpha = (info, c) => info.channels[c] === "alpha";
const colorsOf = (info, planes) => planes.filter((_, c) => !isAlpha(info, c));

// The values that are black and white, as `tones_of` has them, and the noise of a picture.
function describedBy(planes, info) {
  const values = colorsOf(info, planes);
  const low = Math.min(...values.map((plane) => plane.reduce((a, b) => Math.min(a, b))));
  const high = Math.max(...values.map((plane) => plane.reduce((a, b) => Math.max(a, b))));
  const stretched = low < high && high - low < 255 / 8;
  const [black, white] = stretched ? [low, high] : [0, 255];
  return { ...info, black, white, stretched, opaque: 255, exact: true, dtype: "uint8",
    means: "f4", noise: NOISE_LEVEL * (high - low) };
}

function fromBase64(parts, info) {
  const characters = parts.map(atob).join(""), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  const all = new KINDS[info.numbers](bytes.buffer), size = info.height * info.width;
  return info.channels.map((_, c) => all.subarray(c * size, (c + 1) * size));
}

// The planes of a file that was dropped on the page, decoded by the browser to 8 bits.
async function fromFile(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  let { height, width } = bitmap, channels = ["red", "green", "blue", "alpha"];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let planes = channels.map((_, c) => (
    Uint8Array.from({ length: height * width }, (__, i) => data[4 * i + c])));
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
  const info = { title: file.name, height, width, channels, file: whole, reduced, dropped: true };
  return { planes, info: describedBy(planes, info) };
}

function lecture() {
  const planes = [Uint8Array.from(LECTURE)], size = { height: 4, width: 4 };
  return { planes, info: describedBy(planes, { ...size, title: "lecture", channels: ["gray"],
    file: { ...size, channels: 1 }, reduced: [1, 1] }) };
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

// The planes with the numbers that the reader wrote, noise, and moved by one pixel.
function disturbed({ planes, info }, { edits, noise, move }) {
  const random = normalNumbers(), { width } = info;
  return planes.map((plane, c) => {
    let values = plane;
    if (noise && !isAlpha(info, c)) {
      values = Float64Array.from(plane, (v) => v + info.noise * random());
    } else if (move || edits.length) values = Float64Array.from(plane);
    for (const [, index, value] of edits.filter(([channel]) => channel === c)) {
      values[index] = noise ? values[index] + value - plane[index] : value;
    }
    for (let i = 0; move && i + 1 < values.length; i++) {
      if ((i + 1) % width) values[i] = values[i + 1];
    }
    return values;
  });
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

// How planes differ from what they were: {planes, same, total, largest}.
function changeOf(before, after, info) {
  const change = { same: 0, total: 0, largest: 0 };
  change.planes = after.map((plane, c) => Float64Array.from(plane, (value, i) => {
    const same = Object.is(value + 0, before[c][i] + 0);
    if (!isAlpha(info, c)) {
      change.total += 1;
      change.same += same;
      const size = Math.abs(value - before[c][i]);
      if (size > change.largest && size < Infinity) change.largest = size;
    }
    return same ? 0 : value - before[c][i];
  }));
  return change;
}

// The largest change over all channels is shown in gray: black for none.
function paintedChange({ planes }, info, largest) {
  const sizes = Float64Array.from(planes[0], (_, i) => (
    Math.max(...colorsOf(info, planes).map((plane) => Math.abs(plane[i])))));
  return painted([sizes], { black: 0, white: largest || 1, channels: ["gray"] });
}

const stored = {}; // pictures by key: {planes, info}
let wanted = null, isComputing = false;
const bell = new MessageChannel();

// Let newer questions come in; where there is one, what is computed is given up.
async function pause() {
  await new Promise((resolve) => {
    bell.port1.onmessage = resolve;
    bell.port2.postMessage(0);
  });
  if (wanted) throw { newer: true };
}

// Keep a picture by its key: the one of the page's file, the lecture's, or one that was dropped.
async function load({ key, info, base64, file }) {
  try {
    if (key === "file") stored.file = { planes: fromBase64(base64, info), info };
    else stored[key] = file ? await fromFile(file) : lecture();
    postMessage({ kind: "picture", key, ...stored[key] });
  } catch (error) {
    postMessage({ kind: "problem", problem: { reason: "unreadable", name: file ? file.name : key } });
  }
}

async function compute(question) {
  wanted = question;
  if (isComputing) return;
  isComputing = true;
  while (wanted) {
    const { id } = question = wanted;
    wanted = null;
    try {
      await answer(question);
    } catch (error) {
      const problem = { ...error, reason: error.reason || "failed", words: String(error) };
      if (!error.newer) postMessage({ kind: "problem", id, problem });
    }
  }
  isComputing = false;
}

async function answer(question) {
  const { settings, id, noise, move, edits } = question, picture = stored[question.key], { info } = picture;
  const axes = layOver(info.height, info.width, settings), means = noise ? "f8" : info.means;
  const poolAll = async (planes) => {
    const pooled = { input: planes, max: [], min: [], avg: [] };
    for (const method of METHODS) {
      for (const plane of planes) {
        await pause();
        const values = poolBy(method, plane, axes, settings.count_include_pad);
        pooled[method].push(method === "avg" ? values.map((value) => asHeld(value, means)) : values);
      }
    }
    return pooled;
  };
  const after = await poolAll(disturbed(picture, question)), pictures = {};
  const before = noise || move || edits.length ? await poolAll(picture.planes) : null;
  for (const [name, planes] of Object.entries(after)) {
    const [height, width] = name === "input" ? [info.height, info.width] : axes.map(({ count }) => count);
    const { mean, std, hasNaN } = Spread.of(colorsOf(info, planes));
    const change = before && changeOf(before[name], planes, info);
    pictures[name] = { planes, height, width, mean, std, hasNaN, change };
  }
  await answerPictures(question, pictures, info, axes);
  const colors = colorsOf(info, disturbed(picture, { edits }));
  const sample = sampleOf(colors, info.height, info.width, settings);
  const figures = { input: {}, max: {}, min: {}, avg: {} };
  if (noise) await measureNoise(figures, sample, info.noise);
  if (move) await measureShift(figures, sample);
  postMessage({ kind: "figures", id, figures });
}

// Paint the pictures and hand them over; what is stored here is copied.
async function answerPictures({ id, key, difference }, pictures, info, axes) {
  const shown = Object.values(pictures), given = new Set();
  const largest = Math.max(...shown.map(({ change }) => (change ? change.largest : 0)));
  for (const one of shown) {
    await pause();
    const { planes, change, width, height } = one;
    const rgba = difference && change ? paintedChange(change, info, largest) : painted(planes, info);
    one.bitmap = await createImageBitmap(new ImageData(rgba, width, height));
    given.add(one.bitmap);
    for (const plane of [...planes, ...(change ? change.planes : [])]) given.add(plane.buffer);
  }
  stored[key].planes.forEach((plane) => given.delete(plane.buffer));
  const layout = axes.map((axis) => ({ ...axis, uncovered: uncoveredBy(axis) }));
  postMessage({ kind: "pictures", id, pictures, layout, largest }, [...given]);
}

function startWorker() {
  onmessage = ({ data }) => (data.kind === "load" ? load(data) : compute(data));
}
