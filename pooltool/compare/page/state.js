"use strict";
// What the reader chose, in the page's address and in memory.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("data").textContent), TEXTS = JSON.parse($("texts").textContent);
const SIZES = ["pool_size", "stride", "padding", "dilation", "output_size"];
const SWITCHES = ["ceil_mode", "count_include_pad"];
const VIEWS = ["noise", "move", "difference", "predict"]; // what is done with the picture
const LOOKS = ["lang", "theme", "large"];
const AXES = [0, 1], NO_PADDING = [[0, 0], [0, 0]], LARGEST_GRID = 16;
const plain = (size, stride = null, padding = 0) => ({
  pool_size: [size, size], stride: stride && [stride, stride], dilation: [1, 1], output_size: null,
  padding: [[padding, padding], [padding, padding]], ceil_mode: false, count_include_pad: false,
});
const PRESETS = {
  lecture: plain(2), lenet: plain(2), alexnet: plain(3, 2), resnet: plain(3, 2, 1), eight: plain(8),
  global: { ...plain(2), output_size: [1, 1] },
};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const clamped = (i, count) => Math.max(0, Math.min(count - 1, i));

// The settings of the windows, where a stride of null is the pool size; see pool.js. `edits` are
// what the reader wrote, [index, value, ...], a value a channel. `selected` is a pixel or window: {name,
// cell: [row, column], isHeld}, counted in the picture called `name`; for "input" that is a pixel,
// else a window.
const start = {
  ...DATA.settings, picture: "file", edits: [], selected: null,
  noise: false, move: false, difference: false, predict: false, large: false,
  lang: navigator.language.startsWith("ko") ? "ko" : "en",
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
};
if (same(start.stride, start.pool_size)) start.stride = null;
const strideNow = () => state.stride || state.pool_size;
// How the page begins with the picture that is chosen: the lecture's has the lecture's windows.
const startNow = () => ({ ...start, ...(state.picture === "lecture" ? PRESETS.lecture : {}) });
const state = { ...start, timer: null, speed: "normal", revealed: false };

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
  const sides = key === "padding" ? value.flat() : value;
  const [rows, columns] = key === "padding" ? [sides[0], sides[2]] : sides;
  if (key === "padding" && !same(value, [[rows, rows], [columns, columns]])) return sides.join();
  return rows === columns ? String(rows) : `${rows}x${columns}`;
}

// What is edited and selected, as the address has it: "0:1,2:2" and "max,0,1".
function editsText(edits) {
  const isDropped = state.picture === "dropped"; // which no address can name
  return isDropped ? "" : edits.map((edit) => edit.join(":")).join();
}

function parseEdits(words) {
  const edits = words.split(",").map((edit) => edit.split(":").map(Number));
  return edits.filter((edit) => edit.length > 1 && edit.every(Number.isFinite));
}

const selectedText = (one) => (one && one.isHeld ? [one.name, ...one.cell].join() : "");

function parseSelected(words) {
  const [name, ...cell] = words.split(",");
  const isPlace = cell.length === 2 && cell.every((i) => /^\d{1,6}$/.test(i));
  return NAMES.includes(name) && isPlace ? { name, cell: cell.map(Number), isHeld: true } : null;
}

// What the address holds: how each is written, and how it is read, undefined where it is wrong.
const sizeField = (key) => ({
  key, write: (value) => sizeText(key, value), read: (words) => parse(key, words) });
const flag = (key) => ({ key, write: (isOn) => (isOn ? "1" : "0"), read: (words) => words === "1" });
const oneOf = (key, ...values) => ({
  key,
  write: (value) => (values.includes(value) ? value : values[0]),
  read: (words) => (values.includes(words) ? words : undefined),
});
const FIELDS = [
  ...SIZES.map(sizeField), ...[...SWITCHES, ...VIEWS, "large"].map(flag),
  oneOf("picture", "file", "lecture"), oneOf("lang", "en", "ko"), oneOf("theme", "light", "dark"),
  { key: "edits", write: editsText, read: parseEdits },
  { key: "selected", write: selectedText, read: parseSelected },
];

// The state as the address's part after #: what differs from how the page begins.
function toHash() {
  const hash = new URLSearchParams(), begun = startNow();
  for (const { key, write } of FIELDS) {
    const words = write(state[key]);
    if (words !== write(begun[key])) hash.set(key, words);
  }
  return hash.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

// Read the address. What it lacks or holds wrong is as the page begins; the looks stay.
function fromHash(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  state.picture = fields.get("picture");
  const begun = startNow();
  for (const { key, read } of FIELDS) {
    const value = fields.has(key) ? read(fields.get(key)) : undefined;
    if (value !== undefined) state[key] = value;
    else if (!LOOKS.includes(key)) state[key] = begun[key];
  }
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
