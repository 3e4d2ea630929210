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
  let { height, width } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let planes = [0, 1, 2, 3].map((c) => Uint8Array.from({ length: height * width }, (_, i) => (
    data[4 * i + c])));
  let channels = ["red", "green", "blue", "alpha"];
  if (planes[3].every((alpha) => alpha === 255)) {
    [planes, channels] = [planes.slice(0, 3), channels.slice(0, 3)];
  }
  if (planes.length === 3 && planes[0].every((v, i) => v === planes[1][i] && v === planes[2][i])) {
    [planes, channels] = [planes.slice(0, 1), ["gray"]];
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
  const info = { title: file.name, height, width, channels, file: whole, reduced };
  return [planes, describedBy(planes, { ...info, dropped: true })];
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

class Answers {
  pictures = {}; wanted = null; running = false; shown = {};

  async hear(question) {
    if (question.kind === "compute") {
      this.wanted = question;
      if (!this.running) await this.compute();
    } else await this[question.kind](question);
  }

  // A picture by its key: the one of the page's file, the lecture's, or one that was dropped.
  async load({ key, info, base64, file }) {
    let picture;
    try {
      if (key === "file") picture = [fromBase64(base64, info), info];
      else if (key === "dropped") picture = await fromFile(file);
      else {
        const size = { height: 4, width: 4, channels: ["gray"], reduced: [1, 1] };
        const given = { ...size, title: "", file: { height: 4, width: 4, channels: 1 } };
        picture = [[Uint8Array.from(LECTURE)], describedBy([LECTURE], given)];
      }
    } catch (error) {
      postMessage({ kind: "unreadable", key, name: file ? file.name : key });
      return;
    }
    const [planes, described] = picture;
    this.pictures[key] = { planes, info: described };
    postMessage({ kind: "picture", key, planes, info: described });
  }

  // The picture called `name` as it is shown, as a PNG with a pixel a value.
  async save({ name }) {
    const { rgba, height, width } = this.shown[name];
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
    postMessage({ kind: "saved", name, blob: await canvas.convertToBlob({ type: "image/png" }) });
  }

  async compute() {
    this.running = true;
    const channel = new MessageChannel();
    const pause = async () => {
      await new Promise((resolve) => {
        channel.port1.onmessage = resolve;
        channel.port2.postMessage(0);
      });
      if (this.wanted) throw { newer: true };
    };
    while (this.wanted) {
      const question = this.wanted;
      this.wanted = null;
      try {
        await this.answer(question, pause);
      } catch (error) {
        const { reason = "failed", newer } = error, problem = { ...error, reason, words: String(error) };
        if (!newer) postMessage({ kind: "problem", id: question.id, problem });
      }
    }
    this.running = false;
    channel.port1.close();
  }

  async answer(question, pause) {
    const { settings, id } = question, picture = this.pictures[question.key], { info } = picture;
    const axes = layOver(info.height, info.width, settings);
    const isChanged = question.noise || question.move || question.edits.length > 0;
    const means = question.noise ? "f8" : info.means;
    const pooledBy = async (name, planes) => {
      const pooled = [];
      for (const plane of planes) {
        await pause();
        const values = poolBy(name, plane, axes, settings.count_include_pad);
        pooled.push(name === "avg" ? values.map((value) => asHeld(value, means)) : values);
      }
      return pooled;
    };
    const planes = disturbed(picture, question), pictures = {};
    const counts = axes.map((axis) => axis.count);
    for (const name of ["input", ...METHODS]) {
      const after = name === "input" ? planes : await pooledBy(name, planes);
      const [height, width] = name === "input" ? [info.height, info.width] : counts;
      const { mean, std } = Spread.of(colorsOf(info, after));
      const hasNaN = after.some((plane) => plane.some(Number.isNaN));
      pictures[name] = { planes: after, height, width, mean, std, hasNaN };
      if (isChanged) {
        const before = name === "input" ? picture.planes : await pooledBy(name, picture.planes);
        pictures[name].change = changeOf(before, after, info);
      }
    }
    const largest = Math.max(...Object.values(pictures).map(({ change }) => change?.largest || 0));
    await this.show(question, pictures, largest, info, pause);
    const layout = axes.map((axis) => ({ ...axis, uncovered: uncoveredBy(axis) }));
    const own = new Set(picture.planes.map((plane) => plane.buffer)), given = new Set();
    for (const { planes: shown, change, bitmap } of Object.values(pictures)) {
      given.add(bitmap);
      for (const plane of [...shown, ...(change ? change.planes : [])]) given.add(plane.buffer);
    }
    const transfer = [...given].filter((part) => !own.has(part));
    postMessage({ kind: "pictures", id, pictures, layout, largest }, transfer);
    const edited = disturbed(picture, { edits: question.edits });
    const sample = sampleOf(colorsOf(info, edited), info.height, info.width, settings);
    const figures = {};
    if (question.noise) figures.noise = await measureNoise(sample, info.noise, pause);
    if (question.move) figures.shift = await measureShift(sample, pause);
    postMessage({ kind: "figures", id, figures });
  }

  async show({ difference }, pictures, largest, info, pause) {
    for (const [name, one] of Object.entries(pictures)) {
      await pause();
      const { height, width } = one;
      const rgba = difference && one.change ? paintedChange(one.change, info, largest)
        : painted(one.planes, info);
      this.shown[name] = { rgba, height, width };
      one.bitmap = await createImageBitmap(new ImageData(rgba, width, height));
    }
  }
}

function startWorker() {
  const answers = new Answers();
  onmessage = ({ data }) => answers.hear(data);
}
