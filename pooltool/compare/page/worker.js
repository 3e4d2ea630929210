// What the page asks of its Worker, which runs pool.js, measures.js and this file from a blob: to keep
// the values of the page's file, to open another file, or to pool. Of several questions to pool, only
// the newest is answered.

const LECTURE = Uint8Array.of(0, 3, 3, 0, 2, 7, 6, 8, 0, 1, 7, 6, 1, 3, 5, 6);
const KINDS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array,
  i4: Int32Array, f4: Float32Array, f8: Float64Array };
const HELD = { f2: Math.f16round, f4: Math.fround }; // means as the package returns them
const MOST_DROPPED = 720_000; // pixels that a dropped picture keeps, as a page's file does

const isAlpha = (info, c) => info.channels[c] === "alpha";
const colorsOf = (info, planes) => planes.filter((_, c) => !isAlpha(info, c));

// Pictures: {planes, info}, of the page's file, the lecture's grid, or a file that was dropped.

function fromBase64(parts, info) {
  const characters = parts.map(atob).join(""), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  const all = new KINDS[info.numbers](bytes.buffer), size = info.height * info.width;
  return { info, planes: info.channels.map((_, c) => all.subarray(c * size, (c + 1) * size)) };
}

// A file as the browser decodes it, to 8 bits; a large one is made smaller.
async function fromFile(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  const sides = [bitmap.height, bitmap.width];
  const side = Math.max(1, Math.sqrt(sides[0] * sides[1] / MOST_DROPPED), ...sides.map((n) => n / 4096));
  const [height, width] = sides.map((size) => Math.ceil(size / side));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const [red, green, blue, alpha] = [0, 1, 2, 3].map((c) => (
    new Uint8Array(height * width).map((_, i) => data[4 * i + c])));
  const isOpaque = alpha.every((value) => value === 255);
  const isGray = isOpaque && red.every((value, i) => value === green[i] && value === blue[i]);
  const count = isGray ? 1 : isOpaque ? 3 : 4;
  const channels = isGray ? ["gray"] : ["red", "green", "blue", "alpha"].slice(0, count);
  const whole = { height: sides[0], width: sides[1], channels: count };
  return described([red, green, blue, alpha].slice(0, count), { title: file.name, height, width,
    channels, file: whole, reduced: [1, 1], isDropped: true });
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

// The planes in float64: with the numbers that the reader wrote, noise, and moved by one pixel.
function disturbed({ planes, info }, { edits, noise, move }) {
  const values = planes.map((plane) => new Float64Array(plane));
  for (const [index, ...own] of edits) {
    values.forEach((plane, c) => { if (index in plane && c in own) plane[index] = own[c]; });
  }
  const noisy = noise ? withNoise(colorsOf(info, values), info.noise) : [];
  const all = values.map((plane, c) => noisy[c] || plane); // alpha comes last
  return move ? all.map((plane) => moved(plane, info.width)) : all;
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

// A picture as the page draws it; where `largest` is given, by how much its colors changed: black for
// not at all, white for that much.
function bitmapOf({ planes, axes, change }, info, largest) {
  const sizes = largest === null ? [] : change.planes.map((plane) => plane.map(Math.abs));
  const rgba = largest === null ? painted(planes, info) : painted(colorsOf(info, sizes),
    { black: 0, white: largest || 1, channels: colorsOf(info, info.channels) });
  return createImageBitmap(new ImageData(rgba, axes[1].count, axes[0].count));
}

const stored = { // pictures by key
  lecture: described([LECTURE], { height: 4, width: 4, channels: ["gray"], reduced: [1, 1],
    file: { height: 4, width: 4, channels: 1 } }),
};
let newest = 0; // the question that is to be answered
const bell = new MessageChannel(); // which waits for less than a timer

// Let newer questions come in, now and then; where there is one, what is computed is given up.
let paused = 0;
async function pause(id) {
  if (performance.now() - paused > 5) {
    await new Promise((resolve) => {
      bell.port1.onmessage = resolve;
      bell.port2.postMessage(0);
    });
    paused = performance.now();
  }
  if (id !== newest) throw { isOld: true };
}

// The pictures first, each with its mean and contrast and how it changed; then the figures.
async function answer(question) {
  const { id, noise, move, edits, difference } = question, picture = stored[question.picture];
  const { info } = picture, pictures = {}, isChanged = noise || move || edits.length > 0;
  const axes = layOver(info.height, info.width, question);
  const pool = (planes) => poolAll(planes, axes, info, question);
  const before = await pool(picture.planes);
  const after = isChanged ? await pool(disturbed(picture, question)) : before;
  const pixels = axes.map(({ size }) => ({ size, count: size, origin: 0, pitch: 1 }));
  for (const name of NAMES) {
    await pause(id);
    const planes = after[name], change = isChanged ? changeOf(before[name], planes, info) : null;
    const own = name === "input" && !isChanged ? picture : {};
    own.shown ||= { planes, axes: name === "input" ? pixels : axes, change,
      ...spreadOf(colorsOf(info, planes)) };
    pictures[name] = own.shown;
  }
  const all = Object.values(pictures);
  const largest = difference ? Math.max(...all.map(({ change }) => change.largest)) : null;
  for (const one of all) one.bitmap ||= await bitmapOf(one, info, largest);
  const given = all.filter((one) => one !== picture.shown).flatMap(({ planes, bitmap, change }) => (
    [bitmap, ...[...planes, ...(change ? change.planes : [])].map(({ buffer }) => buffer)]));
  const news = { problem: null, isStale: false, largest };
  postMessage({ id, shown: { info, pictures, axes }, news }, given);
  const colors = noise || move ? colorsOf(info, disturbed(picture, { edits })) : [];
  const figures = colors.length ? await figuresOf(colors, info, question, pool) : null;
  postMessage({ id, news: { figures } });
}

// {name: planes} of the planes and their results.
async function poolAll(planes, axes, { means }, { id, count_include_pad }) {
  const all = { input: planes };
  for (const name of METHODS) {
    all[name] = [];
    for (const plane of planes) {
      await pause(id);
      const values = poolBy(name, plane, axes, count_include_pad);
      all[name].push(name === "avg" && HELD[means] ? values.map(HELD[means]) : values);
    }
  }
  return all;
}

function startWorker() {
  onmessage = async ({ data }) => {
    const { id, file, base64 } = data;
    try {
      if (base64) {
        stored.file = fromBase64(base64, data.info);
      } else if (file) {
        stored.dropped = await fromFile(file);
        postMessage({ isOpened: true });
      } else {
        newest = id;
        await answer(data);
      }
    } catch (error) {
      const reason = error.reason || (file ? "unreadable" : "failed"), name = file && file.name;
      const problem = { ...error, reason, name, words: String(error) };
      if (!error.isOld) postMessage({ id, news: { problem, isStale: false, figures: null } });
    }
  };
}
