// The page: what the reader does -> state -> a question to the Worker -> its answer -> drawing.

const have = {}; // pictures by key, as the Worker gave them: {planes, info}
let worker = null, asked = 0, waitingSince = null;

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
  const size = own.height * own.width, isTiny = Math.max(own.height, own.width) <= LARGEST_GRID;
  state.edits = !isTiny ? [] : state.edits.filter(([c, index, value]) => (
    planes[c] && index >= 0 && index < size && planes[c][index] !== value));
  const { edits } = state;
  if (!noise && !move && !edits.length) state.difference = false;
  info = own;
  $("below").classList.toggle("single", info.channels.length === 1);
  state.channel = Math.min(state.channel || 0, info.channels.length - 1);
  const { difference } = state;
  worker.postMessage({ kind: "compute", id: asked, key, settings, noise, move, edits, difference });
  state.waiting = true;
  clearTimeout(waitingSince);
  waitingSince = setTimeout(() => {
    for (const figure of document.querySelectorAll("figure")) figure.classList.add("waiting");
  }, 150);
  describeControls();
}

const answered = {
  picture({ key, planes, info: own }) {
    have[key] = { planes, info: own };
    if (key === "dropped") Object.assign(state, { key, edits: [], picked: null, held: false });
    if (have.lecture && (key === "dropped" || asked === 0)) change(() => {}, asked > 0);
  },

  unreadable(problem) {
    state.problem = { ...problem, reason: "unreadable" };
    state.waiting = false;
    render(true);
  },

  problem({ id, problem }) {
    if (id !== asked) return;
    Object.assign(state, { problem, waiting: false });
    calm();
    render(true);
  },

  pictures({ id, pictures: shown, layout: axes, largest }) {
    if (id !== asked) return;
    const middle = pictures && state.picked && layout && middleOf(state.picked);
    const cells = ({ height, width }) => [height, width].map((size) => (
      { size, count: size, origin: 0, pitch: 1 }));
    [pictures, layout] = [shown, axes];
    for (const name of NAMES) pictures[name].axes = name === "input" ? cells(shown[name]) : axes;
    Object.assign(state, { problem: null, figures: null, largest });
    if (!state.picked) {
      const { height, width } = info, liveliest = info.busiest || [height / 2, width / 2];
      state.picked = { name: "max", at: cellAt("max", isSmall() ? [0, 0] : liveliest) };
    } else if (middle && !state.arrived) state.picked.at = cellAt(state.picked.name, middle);
    state.picked.at = state.picked.at.map((i, k) => clamped(i, pictures[state.picked.name].axes[k].count));
    state.arrived = false; // no longer a place that the address named
    state.news = `${text("output")}: ${sizeWords(...countsOf())}.`;
    calm();
    render(true);
  },

  figures({ id, figures }) {
    if (id !== asked) return;
    Object.assign(state, { figures, waiting: false });
    if (pictures) describeFigures();
    resting();
  },

  saved({ name, blob }) {
    const link = make("a", { href: URL.createObjectURL(blob),
      download: `${(state.key === "lecture" ? "lecture" : info.title).replace(/\.\w+$/, "")}_${name}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  },
};

function calm() {
  clearTimeout(waitingSince);
  for (const figure of document.querySelectorAll("figure")) figure.classList.remove("waiting");
}

// A change of the state that needs new numbers, and a step in the browser's history.
function change(how, isStep = true) {
  how();
  state.revealed = false;
  remember(isStep);
  ask();
}

function set(key, value) {
  change(() => {
    const follows = strideFollows(), { settings } = state;
    if (key === "stride" && value === null) settings.stride = settings.pool_size;
    else settings[key] = value;
    if (key === "pool_size" && follows) settings.stride = value;
  });
}

function setView(key, value) {
  const words = () => { state[key] = value; };
  if (key !== "predict") return change(words);
  words();
  state.revealed = false;
  remember(true);
  render(true);
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
  change(() => { state.edits = edits; }, false); // a letter is no step in the history
}

// Drawing: the pictures one after the other, so that no task of the page takes long.

let drawing = null, waiters = [];
function render(withWords = false) {
  state.words = state.words || withWords;
  state.again = true;
  if (drawing) return;
  drawing = new Promise(requestAnimationFrame).then(draw).finally(() => {
    drawing = null;
    if (state.again) render();
    else resting();
  });
}

async function draw() {
  const parts = state.words ? [describePage] : [];
  Object.assign(state, { words: false, again: false });
  if (pictures && !state.problem) {
    parts.push(lookAt, ...NAMES.map((name) => () => drawPicture(name)), placeFields, drawCloseUp,
      describeSelection);
  }
  let begun = performance.now();
  for (const part of parts) {
    part();
    if (part !== describePage && performance.now() - begun < 6) continue;
    await breath();
    begun = performance.now();
  }
}
const breath = () => new Promise((resolve) => { setTimeout(resolve, 0); });

// A promise for the moment when nothing is computed or drawn any more.
function atRest() {
  return new Promise((resolve) => { waiters.push(resolve); resting(); });
}
function resting() {
  const first = asked === 0 && !state.problem;
  if (drawing || state.waiting || first) return;
  const ready = waiters;
  waiters = [];
  setTimeout(() => ready.forEach((resolve) => resolve(true)), 0);
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

// A run takes 15 seconds at most: window by window, or by rows where those are many.
function play() {
  if (state.problem || !pictures) return;
  if (state.timer) return stop();
  const [rows, columns] = countsOf(), total = rows * columns, column = Math.floor(columns / 2);
  const seconds = Math.min(15, 0.9 * total) / SPEEDS[state.speed];
  state.leap = seconds / total >= 0.04 ? 1 : Math.ceil(rows / (seconds / 0.04)) * columns;
  const steps = Math.ceil(total / state.leap);
  let index = 0;
  const name = state.picked.name === "input" ? "max" : state.picked.name;
  const show = () => pick(name, [Math.floor(index / columns), state.leap > 1 ? column : index % columns]);
  state.held = false;
  state.timer = setInterval(() => {
    index += state.leap;
    if (index >= total) return stop();
    show();
  }, 1000 * seconds / steps);
  show();
  render(true);
}

function stepWindow(by) {
  const [, columns] = countsOf(), { shown } = selection();
  const [i, j] = shown || [0, 0], [rows] = countsOf();
  const index = clamped(i * columns + j + by, rows * columns);
  const name = state.picked.name === "input" ? "max" : state.picked.name;
  hold(name, [Math.floor(index / columns), index % columns]);
}

function onPointer(name, event, place = null) {
  if (!pictures || state.problem) return;
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
  if (!by || !pictures || event.ctrlKey || event.altKey || event.metaKey) return;
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

const choosePicture = (key) => change(() => Object.assign(state, {
  key: key === "noisy" ? "lecture" : key, edits: key === "noisy" ? TWIN : [],
  picked: null, held: false }));

function openFile(file) {
  if (file) worker.postMessage({ kind: "load", key: "dropped", file });
}

function listen() {
  for (const name of NAMES) {
    $(name).onpointermove = $(name).onpointerdown = (event) => onPointer(name, event);
    $(name).onkeydown = (event) => onKey(name, event);
    const save = $(name).closest("figure").querySelector(".save");
    save.onclick = () => worker.postMessage({ kind: "save", name });
  }
  $("strip").onpointerdown = (event) => {
    const place = closeUps.find(({ x, y, width, height }) => event.offsetX >= x && event.offsetY >= y
      && event.offsetX < x + width && event.offsetY < y + height);
    if (place) onPointer(place.name, event, place);
  };
  $("language").onclick = () => look("language", state.language === "ko" ? "en" : "ko");
  $("theme").onclick = () => look("theme", state.theme === "dark" ? "light" : "dark");
  $("large").onclick = () => look("large", !state.large);
  $("picture").onchange = () => { if ($("picture").value !== "written") choosePicture($("picture").value); };
  $("preset").onchange = () => {
    const preset = PRESETS[$("preset").value];
    if (preset) change(() => { state.settings = { ...preset }; });
  };
  $("speed").onchange = () => { state.speed = $("speed").value; };
  $("channel").onchange = () => { state.channel = Number($("channel").value); render(true); };
  $("restore").onclick = () => change(() => { state.edits = []; });
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
    if (!pictures || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { state.held = false; stop(); remember(false); render(); }
    if (event.code === "KeyP") play();
  });
  addEventListener("popstate", () => {
    fromHash(location.hash);
    state.arrived = true;
    applyLook();
    if (have.lecture) ask();
  });
  addEventListener("resize", () => render(true));
  for (const event of ["beforeprint", "afterprint"]) {
    addEventListener(event, () => {
      state.printing = event === "beforeprint";
      applyLook();
      if (pictures && !state.problem) { NAMES.forEach(drawPicture); drawCloseUp(); describeSelection(); }
    });
  }
}

startPage();
