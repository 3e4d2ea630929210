"use strict";
// What the reader chose, in the page's address and in memory. A picked pixel or window is
// {name, at: [row, column]}, counted in the picture called `name`; for "input" that is a pixel,
// else a window.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("data").textContent), TEXTS = JSON.parse($("texts").textContent);
const NAMES = ["input", ...METHODS];
const SIZES = ["pool_size", "stride", "padding", "dilation", "output_size"];
const SWITCHES = ["ceil_mode", "count_include_pad"];
const VIEWS = ["noise", "move", "difference", "predict"]; // what is done with the picture
const AXES = [0, 1], NO_PADDING = [[0, 0], [0, 0]], LARGEST_GRID = 16;
const TWIN = [[0, 0, 1], [0, 2, 2], [0, 9, 2], [0, 11, 3]]; // the lecture's noisy numbers
const plain = (size, stride = size, padding = 0) => ({
  pool_size: [size, size], stride: [stride, stride], dilation: [1, 1], output_size: null,
  padding: [[padding, padding], [padding, padding]], ceil_mode: false, count_include_pad: false,
});
const PRESETS = {
  lecture: plain(2), lenet: plain(2), alexnet: plain(3, 2), resnet: plain(3, 2, 1), eight: plain(8),
  global: { ...plain(2), output_size: [1, 1] },
};

const start = {
  language: navigator.language.startsWith("ko") ? "ko" : "en",
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
  large: false, settings: DATA.settings, key: "file", edits: [], picked: null,
  noise: false, move: false, difference: false, predict: false,
};
const state = { ...start, held: false, timer: null, speed: "normal", revealed: false, news: "" };

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const clamped = (i, count) => Math.max(0, Math.min(count - 1, i));

// "2", "2x3" or, for padding, also "same", "valid" or "top,bottom,left,right"; null for none,
// undefined where it is none of them.
function parse(key, words) {
  const isPadding = key === "padding", name = words.trim().toLowerCase();
  if (!name && ["output_size", "stride"].includes(key)) return null;
  if (isPadding && name === "same") return "same";
  if (isPadding && name === "valid") return NO_PADDING;
  const numbers = name.split(/[x×*,\s]+/).filter(Boolean).map(Number), [a, b = a, c, d] = numbers;
  const good = numbers.every((n) => Number.isInteger(n) && n >= (isPadding ? 0 : 1) && n <= 1e6);
  if (isPadding && good && numbers.length === 4) return [[a, b], [c, d]];
  if (!good || ![1, 2].includes(numbers.length)) return undefined;
  return isPadding ? [[a, a], [b, b]] : [a, b];
}

// The same in words.
function sizeText(key, value) {
  if (!value || value === "same") return value || "";
  if (key === "padding" && value.some(([before, after]) => before !== after)) {
    return value.flat().join();
  }
  const [rows, columns] = value.map((side) => (key === "padding" ? side[0] : side));
  return rows === columns ? String(rows) : `${rows}x${columns}`;
}

const strideFollows = () => same(state.settings.stride, state.settings.pool_size);

// The state as the address's part after #: what differs from how the page begins.
function toHash() {
  const { settings: s, picked } = state, isFile = state.key === "dropped";
  const fields = [
    ...SIZES.map((key) => [key, sizeText(key, s[key]), sizeText(key, start.settings[key])]),
    ...SWITCHES.map((key) => [key, Number(s[key]), Number(start.settings[key])]),
    ...[...VIEWS, "large"].map((key) => [key, Number(state[key]), 0]),
    ["picture", isFile ? "file" : state.key, "file"],
    ["edits", isFile ? "" : state.edits.map((edit) => edit.join(":")).join(), ""],
    ["at", picked && state.held ? `${picked.name},${picked.at}` : "", ""],
    ["lang", state.language, start.language],
    ["theme", state.theme, start.theme],
  ].filter(([, value, usual]) => value !== usual);
  const hash = new URLSearchParams(fields.map(([name, value]) => [name, value])).toString();
  return hash.replaceAll("%2C", ",").replaceAll("%3A", ":");
}

// Read the address; what it lacks or holds wrong is as the page begins.
function fromHash(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, "")), settings = { ...start.settings };
  const field = (name) => fields.get(name) || "";
  const oneOf = (name, values, usual) => (values.includes(field(name)) ? field(name) : usual);
  for (const key of SIZES) {
    const value = fields.has(key) ? parse(key, field(key)) : undefined;
    if (value !== undefined && (value || key === "output_size")) settings[key] = value;
  }
  for (const key of SWITCHES) if (fields.has(key)) settings[key] = field(key) === "1";
  for (const key of [...VIEWS, "large"]) state[key] = field(key) === "1";
  const numbers = field("edits").split(",").map((edit) => edit.split(":").map(Number));
  const edits = numbers.filter((edit) => edit.length === 3 && edit.every(Number.isFinite));
  const [name, ...at] = field("at").split(",");
  const held = NAMES.includes(name) && at.length === 2 && at.every((i) => /^\d{1,6}$/.test(i));
  Object.assign(state, { settings, edits, held, picked: held ? { name, at: at.map(Number) } : null,
    key: oneOf("picture", ["lecture"], "file"),
    language: oneOf("lang", ["en", "ko"], start.language),
    theme: oneOf("theme", ["light", "dark"], start.theme) });
}

// Put the state into the address: a step that "back" undoes, or in place of the last.
let written = null;
function remember(isStep) {
  clearTimeout(written);
  const write = () => {
    const hash = toHash(), how = isStep ? "pushState" : "replaceState";
    if (hash !== location.hash.slice(1)) history[how](null, "", `#${hash}`);
  };
  if (isStep) write();
  else written = setTimeout(write, 300); // browsers allow so many a second
}
