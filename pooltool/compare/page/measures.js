// Noise, bias, shift and changes as pooltool/compare/measures.py defines them, with the same random
// numbers; null where there is none.

const FEWEST_RESULTS = 1 << 16, MOST_DRAWN = 1 << 20, NOISE_LEVEL = 0.02;

// Mean and standard deviation of the finite values of planes.
function spreadOf(planes) {
  let count = 0, origin = 0, total = 0, squares = 0;
  for (const plane of planes) {
    for (let i = 0; i < plane.length; i++) {
      if (!Number.isFinite(plane[i])) continue;
      if (!count) origin = plane[i];
      count += 1;
      total += plane[i] - origin;
      squares += (plane[i] - origin) ** 2;
    }
  }
  if (!count) return { mean: null, std: null };
  const mean = total / count;
  return { mean: origin + mean, std: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}

const ratio = (change, unit) => (unit && change !== null ? change / unit : null);
const differences = (before, after) => (
  after.map((plane, c) => plane.map((value, i) => value - before[c][i])));

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
  const figures = { input: {}, max: {}, min: {}, avg: {} }, still = await pool(planes);
  if (noise) {
    const values = planes.length * planes[0].length, results = still.max[0].length;
    const draws = Math.max(1, Math.floor(Math.min(FEWEST_RESULTS / results, MOST_DRAWN / values)));
    const changes = { input: [], max: [], min: [], avg: [] };
    for (let draw = 0; draw < draws; draw++) {
      const noisy = await pool(withNoise(planes, level, draw, draws));
      for (const name of NAMES) changes[name].push(...differences(still[name], noisy[name]));
    }
    const unit = spreadOf(changes.input).std; // of the noise
    for (const name of NAMES) {
      const { mean, std } = spreadOf(changes[name]), isLinear = name === "input" || name === "avg";
      Object.assign(figures[name], { noise: ratio(std, unit), bias: ratio(isLinear ? 0 : mean, unit) });
    }
  }
  if (move) {
    const after = await pool(planes.map((plane) => moved(plane, width)));
    for (const name of NAMES) {
      const sizes = differences(still[name], after[name]).map((plane) => plane.map(Math.abs));
      figures[name].shift = ratio(spreadOf(sizes).mean, spreadOf(still[name]).std);
    }
  }
  return figures;
}

// How planes differ from what they were: {planes, changed, total, largest}, counted without alpha.
function changeOf(before, after, info) {
  const planes = after.map((plane, c) => plane.map((value, i) => (
    Object.is(value + 0, before[c][i] + 0) ? 0 : value - before[c][i])));
  const colors = colorsOf(info, planes), total = colors.length * colors[0].length;
  let changed = 0, largest = 0;
  for (const plane of colors) {
    for (let i = 0; i < plane.length; i++) {
      if (plane[i] !== 0) changed += 1;
      if (Number.isFinite(plane[i])) largest = Math.max(largest, Math.abs(plane[i]));
    }
  }
  return { planes, changed, total, largest };
}
