// Noise, bias, shift and changes as pooltool/compare/measures.py defines them, with the same random
// numbers; null where there is none.

const FEWEST_RESULTS = 1 << 16, MOST_DRAWN = 1 << 20, NOISE_LEVEL = 0.02;

// Mean and standard deviation of the finite ones of all values that were added.
class Spread {
  count = 0; origin = 0; total = 0; squares = 0;

  add(value) {
    if (!Number.isFinite(value)) return;
    if (!this.count) this.origin = value;
    this.count += 1;
    this.total += value - this.origin;
    this.squares += (value - this.origin) ** 2;
  }

  static of(planes) {
    const spread = new Spread();
    for (const plane of planes) for (let i = 0; i < plane.length; i++) spread.add(plane[i]);
    return spread;
  }

  get mean() { return this.count ? this.origin + this.total / this.count : null; }

  get std() {
    const mean = this.total / this.count;
    return this.count ? Math.sqrt(Math.max(0, this.squares / this.count - mean * mean)) : null;
  }
}

const ratio = (change, unit) => (unit && change !== null ? change / unit : null);

// At least so many normal random numbers, the same on every run: hashed counters through the
// Box-Muller transform.
let normals = new Float32Array(0);
function normalNumbers(count) {
  if (normals.length >= count) return normals;
  normals = new Float32Array(count + count % 2);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(hashed(i))), angle = 2 * Math.PI * hashed(i + 1);
    normals[i] = radius * Math.cos(angle);
    normals[i + 1] = radius * Math.sin(angle);
  }
  return normals;
}

// A number above 0 and up to 1 for each counter, by the last steps of MurmurHash3.
function hashed(counter) {
  let hash = Math.imul(counter + 1, 0x9e3779b9);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 1) / 2 ** 32;
}

// The planes with noise of this level added, the same to all; the `draw`-th of several.
function withNoise(planes, level, draw = 0, draws = 1) {
  const numbers = normalNumbers(planes[0].length * draws);
  return planes.map((plane) => plane.map((value, i) => value + level * numbers[i * draws + draw]));
}

// A plane one pixel further to the left; its last column stays.
function moved(plane, width) {
  return plane.map((value, i) => ((i + 1) % width ? plane[i + 1] : value));
}

// What noise and a move change in each picture. `pool` makes {name: planes} of planes of colors.
async function figuresOf(planes, { width, noise: level }, { noise, move }, pool) {
  const still = await pool(planes), figures = NAMES.map(() => ({}));
  if (noise) {
    const values = planes.length * planes[0].length, results = still.max[0].length;
    const draws = Math.max(1, Math.floor(Math.min(FEWEST_RESULTS / results, MOST_DRAWN / values)));
    const changes = NAMES.map(() => new Spread());
    for (let draw = 0; draw < draws; draw++) {
      const noisy = await pool(withNoise(planes, level, draw, draws));
      NAMES.forEach((name, n) => addChanges(changes[n], still[name], noisy[name]));
    }
    NAMES.forEach((name, n) => {
      const isLinear = name === "input" || name === "avg", unit = changes[0].std; // of the noise
      figures[n].noise = ratio(changes[n].std, unit);
      figures[n].bias = ratio(isLinear ? 0 : changes[n].mean, unit);
    });
  }
  if (move) {
    const after = await pool(planes.map((plane) => moved(plane, width)));
    NAMES.forEach((name, n) => {
      const change = addChanges(new Spread(), still[name], after[name], Math.abs);
      figures[n].shift = ratio(change.mean, Spread.of(still[name]).std);
    });
  }
  return Object.fromEntries(NAMES.map((name, n) => [name, figures[n]]));
}

function addChanges(spread, before, after, sizeOf = (change) => change) {
  before.forEach((plane, c) => plane.forEach((value, i) => spread.add(sizeOf(after[c][i] - value))));
  return spread;
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
