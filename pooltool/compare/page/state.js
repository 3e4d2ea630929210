"use strict";
// What the reader chose, in the page's address and in memory.

const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("data").textContent), TEXTS = JSON.parse($("texts").textContent);
const SIZES = ["pool_size", "stride", "padding", "dilation", "output_size"];
const SWITCHES = ["ceil_mode", "count_include_pad"];
const VIEWS = ["noise", "move", "difference", "predict"]; // what is done with the picture
const LOOKS = ["lang", "theme", "large"];
const plain = (size, stride = null, padding = 0) => ({
  pool_size: [size, size], stride: stride && [stride, stride], padding: [padding, padding],
  dilation: [1, 1], output_size: null, ceil_mode: false, count_include_pad: false,
});
const PRESETS = {
  lecture: plain(2), alexnet: plain(3, 2), resnet: plain(3, 2, 1), eight: plain(8),
  global: { ...plain(2), output_size: [1, 1] },
};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const clamped = (i, count) => Math.max(0, Math.min(count - 1, i));

const isChanged = () => state.noise || state.move || state.edits.length > 0; // the picture

// The settings of the windows, see pool.js, but a stride of null is the pool size. `edits` are what
// the reader wrote, [index, value, ...], a value a channel. `selected` is {name, at, isHeld}: the
// pixel or, where `name` is a result, the window in which the place `at` of the picture lies.
if (same(DATA.settings.stride, DATA.settings.pool_size)) DATA.settings.stride = null;
const start = {
  ...DATA.settings, picture: "file", edits: [], selected: null,
  noise: false, move: false, difference: false, predict: false, large: false,
  lang: navigator.language.startsWith("ko") ? "ko" : "en",
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
};
const state = { ...start, timer: null, speed: "normal", revealed: false };
const strideNow = () => state.stride || state.pool_size;

// [2, 2] is "2", [2, 3] is "2x3"; padding may be "same"; null is "".
const sizeText = (value) => (Array.isArray(value) ? [...new Set(value)].join("x") : value || "");

// The same from words; undefined where they are no size.
function parseSize(key, words) {
  const name = words.trim().toLowerCase();
  if (key === "padding" && name === "same") return name;
  if (!name && ["output_size", "stride"].includes(key)) return null;
  const [, rows, columns = rows] = /^(\d{1,6})(?:\s*[x×*, ]\s*(\d{1,6}))?$/.exec(name) || [];
  const size = [rows, columns].map(Number), least = key === "padding" ? 0 : 1;
  return size.every((side) => side >= least) ? size : undefined;
}

// "0:1,2:2"; a dropped picture's edits stay out of the address, which cannot name the picture.
const editsText = (edits) => (
  state.picture === "dropped" ? "" : edits.map((edit) => edit.join(":")).join());

function parseEdits(words) {
  const edits = words.split(",").map((edit) => edit.split(":").map(Number));
  return edits.filter((edit) => edit.length > 1 && edit.every(Number.isFinite));
}

// "max,1,2.5"; only what is held.
const selectedText = (one) => (
  one && one.isHeld ? [one.name, ...one.at.map((side) => Number(side.toFixed(2)))].join() : "");

function parseSelected(words) {
  const [name, ...at] = words.split(","), place = at.map(Number);
  const isPlace = NAMES.includes(name) && place.length === 2 && place.every(Number.isFinite);
  return isPlace ? { name, at: place, isHeld: true } : null;
}

// What the address holds: how each is written, and how it is read, undefined where it is wrong.
const sizeField = (key) => ({ key, write: sizeText, read: (words) => parseSize(key, words) });
const flag = (key) => ({ key, write: (isOn) => (isOn ? "1" : "0"), read: (words) => words === "1" });
const oneOf = (key, ...values) => ({
  key, write: (value) => (values.includes(value) ? value : values[0]),
  read: (words) => (values.includes(words) ? words : undefined) });
const FIELDS = [...SIZES.map(sizeField), ...[...SWITCHES, ...VIEWS, "large"].map(flag),
  oneOf("picture", "file", "lecture"), oneOf("lang", "en", "ko"), oneOf("theme", "light", "dark"),
  { key: "edits", write: editsText, read: parseEdits },
  { key: "selected", write: selectedText, read: parseSelected },
];

// The state as the address's part after #: what differs from how the page begins.
function toHash() {
  const hash = new URLSearchParams();
  for (const { key, write } of FIELDS) {
    const words = write(state[key]);
    if (words !== write(start[key])) hash.set(key, words);
  }
  return hash.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

// Read the address. What it lacks or holds wrong is as the page begins; the looks stay.
function fromHash(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  for (const { key, read } of FIELDS) {
    const value = fields.has(key) ? read(fields.get(key)) : undefined;
    if (value !== undefined) state[key] = value;
    else if (!LOOKS.includes(key)) state[key] = start[key];
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
