// The page: what the reader does -> state -> a question to the Worker -> its answer -> drawing.

const have = {}; // pictures by key, as the Worker gave them: {planes, info}
let worker = null, asked = 0;

function startPage() {
  const code = `${$("arithmetic").textContent}\nstartWorker();`;
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => answered[data.kind](data);
  fromHash(location.hash);
  buildControls();
  listen();
  applyLook();
  const base64 = [...document.querySelectorAll(".values")].map((part) => part.textContent);
  worker.postMessage({ kind: "load", key: "file", info: DATA.info, base64 });
  worker.postMessage({ kind: "load", key: "lecture" });
}

// Ask for what the state says. What was asked before is not waited for any longer.
function ask() {
  stop();
  asked += 1;
  const { settings, key, noise, move } = state, { planes, info: own } = have[key];
  const edits = state.edits.filter(([c, index, value]) => (
    isSmall(own) && planes[c] && index in planes[c] && planes[c][index] !== value));
  const difference = state.difference && (noise || move || edits.length > 0);
  const channel = Math.min(state.channel || 0, planes.length - 1);
  Object.assign(state, { edits, difference, channel, waiting: true, figures: null });
  worker.postMessage({ kind: "compute", id: asked, key, settings, noise, move, edits, difference });
  $("pictures").setAttribute("aria-busy", "true");
  describeControls();
}

const answered = {
  picture({ key, planes, info: own }) {
    have[key] = { planes, info: own };
    if (key === "dropped") Object.assign(state, { key, edits: [], picked: null, held: false });
    if (have.lecture && (key === "dropped" || asked === 0)) change({}, asked > 0);
  },

  problem({ id = asked, problem }) {
    if (id !== asked) return;
    Object.assign(state, { problem, waiting: false });
    $("pictures").setAttribute("aria-busy", "false");
    render(true);
  },

  pictures({ id, pictures: shown, layout: axes, largest }) {
    if (id !== asked) return;
    info = have[state.key].info;
    const { height, width, busiest = [height / 2, width / 2] } = info, { picked } = state;
    const middle = picked && pictures ? middleOf(picked) : null;
    const own = [height, width].map((size) => ({ size, count: size, origin: 0, pitch: 1 }));
    [pictures, layout] = [shown, axes];
    for (const name of NAMES) pictures[name].axes = name === "input" ? own : axes;
    if (!picked) state.picked = { name: "max", at: cellAt("max", isSmall() ? [0, 0] : busiest) };
    else if (middle) picked.at = cellAt(picked.name, middle);
    const { name, at: cell } = state.picked; // which the address may have named
    state.picked.at = cell.map((i, k) => clamped(i, pictures[name].axes[k].count));
    const news = `${text("output")}: ${sizeWords(...countsOf())}.`;
    Object.assign(state, { problem: null, largest, news });
    $("pictures").setAttribute("aria-busy", "false");
    render(true);
  },

  figures({ id, figures }) {
    if (id !== asked) return;
    Object.assign(state, { figures, waiting: false });
    describeFigures();
  },
};

// A picture as it is shown, as a PNG with a pixel a value.
function pngOf(name) {
  const { bitmap } = pictures[name], { width, height } = bitmap;
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve); });
}

async function save(name) {
  const href = URL.createObjectURL(await pngOf(name));
  make("a", { href, download: `${info.title.replace(/\.\w+$/, "")}_${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

// A change of the state that needs new numbers, and a step in the browser's history.
function change(fields, isStep = true) {
  Object.assign(state, fields, { revealed: false });
  remember(isStep);
  ask();
}

function set(key, value) {
  const settings = { ...state.settings, [key]: value };
  const follows = key === "pool_size" && strideFollows();
  if (follows || !settings.stride) settings.stride = settings.pool_size;
  change({ settings });
}

function setView(key, value) {
  if (key !== "predict") return change({ [key]: value });
  Object.assign(state, { predict: value, revealed: false });
  remember(true);
  return render(true);
}

// The buttons beside a field.
function step(key, by) {
  const value = state.settings[key], least = key === "padding" ? 0 : 1;
  const moved = (given) => (Array.isArray(given) ? given.map(moved) : Math.max(least, given + by));
  if (value === "same") return set(key, NO_PADDING);
  if (value === null) return set(key, by > 0 && layout ? countsOf() : null);
  return set(key, key === "output_size" && by + Math.max(...value) < 1 ? null : moved(value));
}

function edit(index, words) {
  const value = Number(words.replace("−", "-").replace(",", ".")), c = state.channel;
  const isNumber = words.trim() !== "" && Number.isFinite(value);
  $("bad_number").textContent = isNumber || !words.trim() ? "" : text("bad_number", { words });
  if (!isNumber) return;
  const others = state.edits.filter(([channel, at_]) => channel !== c || at_ !== index);
  const edits = [...others, [c, index, value]].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  change({ edits }, false); // a letter is no step in the history
}

// Drawing: the pictures one after the other, so that no task of the page takes long.

let drawing = null;
function render(withWords = false) {
  state.words = state.words || withWords;
  state.again = true;
  drawing = drawing || drawAll();
}

async function drawAll() {
  try {
    while (state.again) {
      await new Promise(requestAnimationFrame);
      await draw();
    }
  } finally {
    drawing = null;
  }
}

// True when nothing is computed or drawn any more.
function isAtRest() {
  return !drawing && !state.waiting && (asked > 0 || Boolean(state.problem));
}

// False while the pictures of what the address says are still to come.
const isReady = () => Boolean(pictures && state.picked && !state.problem);

async function draw() {
  const words = [describeWords, describeControls, describeProblem];
  const results = [describeAbout, describeFormula, describeFigures];
  const parts = [...(state.words ? [...words, ...results] : []), lookAt,
    ...NAMES.map((name) => () => drawPicture(name)), placeFields, drawCloseUp, describeSelection,
    ...(state.words ? [describeLessons] : [])]; // whose notes tell how the pictures are drawn
  Object.assign(state, { words: false, again: false });
  let begun = performance.now();
  for (const part of parts) {
    if (!words.includes(part) && !isReady()) continue;
    part();
    if (performance.now() - begun < 6) continue;
    await new Promise((resolve) => { setTimeout(resolve, 0); });
    begun = performance.now();
  }
}

// The selection, and the window that slides.

const isPicked = (name, cell) => state.picked.name === name && same(state.picked.at, cell);

function pick(name, cell) {
  if (isPicked(name, cell)) return;
  Object.assign(state, { picked: { name, at: cell }, revealed: false });
  remember(false);
  render();
}

function hold(name, cell) {
  stop();
  state.held = true;
  pick(name, cell);
  render();
}

function stop() {
  if (!state.timer) return;
  clearInterval(state.timer);
  state.timer = null;
  render(true);
}

// Pick a window by its number in reading order; of a run by rows, the one in the middle of the row.
function pickWindow(index, isRun = false) {
  const [, columns] = countsOf(), row = Math.floor(index / columns);
  const column = isRun && state.leap > 1 ? Math.floor(columns / 2) : index % columns;
  (isRun ? pick : hold)(state.picked.name === "input" ? "max" : state.picked.name, [row, column]);
}

// A run takes 15 seconds at most: window by window, or by rows where those are many.
function play() {
  if (!isReady()) return;
  if (state.timer) return stop();
  const [rows, columns] = countsOf(), total = rows * columns;
  const seconds = Math.min(15, 0.9 * total) / SPEEDS[state.speed];
  state.leap = seconds / total >= 0.04 ? 1 : Math.ceil(rows / (seconds / 0.04)) * columns;
  state.held = false;
  let index = 0;
  state.timer = setInterval(() => {
    index += state.leap;
    if (index >= total) stop();
    else pickWindow(index, true);
  }, 1000 * seconds / Math.ceil(total / state.leap));
  pickWindow(0, true);
  render(true);
}

function stepWindow(by) {
  if (!isReady()) return;
  const { shown } = selection(), [i, j] = shown || [0, 0], [rows, columns] = countsOf();
  pickWindow(clamped(i * columns + j + by, rows * columns));
}

function onPointer(name, event, place = null) {
  if (!isReady()) return;
  const { low, scale, x, y } = place || { ...view, x: 0, y: 0 }, down = event.type === "pointerdown";
  const box = event.target.getBoundingClientRect();
  const offsets = [event.clientY - box.top - y, event.clientX - box.left - x];
  const cell = cellAt(name, offsets.map((offset, k) => low[k] + offset / scale[k]));
  if (down) {
    const held = event.pointerType === "mouse" && !(state.held && isPicked(name, cell));
    stop();
    state.held = held;
    remember(false);
    render();
  }
  if (down || !(state.timer || state.held)) pick(name, cell);
}

function onKey(name, event) {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-8, 0], PageDown: [8, 0] };
  const by = moves[event.key], { picked } = state;
  if (!by || !isReady() || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const isHere = picked.name === name || (name !== "input" && picked.name !== "input");
  const from = isHere ? picked.at : cellAt(name, middleOf(picked));
  hold(name, pictures[name].axes.map(({ count }, k) => clamped(from[k] + by[k], count)));
}

// What the reader sees beside the numbers: theme, size of the type, language.
function applyLook() {
  document.documentElement.dataset.theme = state.printing ? "light" : state.theme;
  document.documentElement.classList.toggle("large", state.large);
  readInks();
}
function look(key, value) {
  state[key] = value;
  applyLook();
  remember(false);
  render(true);
}

function openFile(file) {
  if (file) worker.postMessage({ kind: "load", key: "dropped", file });
}

function listen() {
  for (const name of NAMES) {
    $(name).onpointermove = $(name).onpointerdown = (event) => onPointer(name, event);
    $(name).onkeydown = (event) => onKey(name, event);
    $(name).closest("figure").querySelector(".save").onclick = () => save(name);
  }
  $("strip").onpointerdown = (event) => {
    const place = closeUps.find(({ x, y, width, height }) => event.offsetX >= x && event.offsetY >= y
      && event.offsetX < x + width && event.offsetY < y + height);
    if (place) onPointer(place.name, event, place);
  };
  $("language").onclick = () => look("language", state.language === "ko" ? "en" : "ko");
  $("theme").onclick = () => look("theme", state.theme === "dark" ? "light" : "dark");
  $("large").onclick = () => look("large", !state.large);
  $("picture").onchange = () => {
    const isNoisy = $("picture").value === "noisy", key = isNoisy ? "lecture" : $("picture").value;
    if (key !== "written") {
      change({ key, edits: isNoisy ? TWIN : [], picked: null, held: false });
    }
  };
  $("preset").onchange = () => change({ settings: PRESETS[$("preset").value] });
  $("speed").onchange = () => { state.speed = $("speed").value; };
  $("channel").onchange = () => { state.channel = Number($("channel").value); render(true); };
  $("restore").onclick = () => change({ edits: [] });
  $("reveal").onclick = () => { state.revealed = true; render(); };
  $("play").onclick = play;
  $("back").onclick = () => stepWindow(-1);
  $("next").onclick = () => stepWindow(1);
  $("open").onclick = () => $("chosen").click();
  $("chosen").onchange = () => openFile($("chosen").files[0]);
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => { event.preventDefault(); openFile(event.dataTransfer.files[0]); };
  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("input:not([type=checkbox]), select");
    if (!isReady() || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { state.held = false; stop(); remember(false); render(); }
    if (event.code === "KeyP") play();
  });
  addEventListener("popstate", () => {
    fromHash(location.hash);
    applyLook();
    pictures = null; // the place that the address names is one of those to come
    if (have.lecture) ask();
  });
  addEventListener("resize", () => render(true));
  onbeforeprint = onafterprint = ({ type }) => {
    state.printing = type === "beforeprint";
    applyLook();
    if (isReady()) { NAMES.forEach(drawPicture); drawCloseUp(); describeSelection(); }
  };
}

startPage();
